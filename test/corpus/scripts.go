package corpus

import (
	"slices"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// script is a way to write: a charset and words that can be written in it.
type script struct {
	charset string            // as the mail declares it
	enc     encoding.Encoding // nil = UTF-8
	words   []string
}

var (
	inEnglish  = []string{"Hello", "order", "number", "please", "answer", "soon", "the", "parcel"}
	inGerman   = []string{"Grüße", "aus", "Österreich", "Straße", "für", "den", "Kunden", "über", "größere", "Mengen"}
	inCzech    = []string{"Příliš", "žluťoučký", "kůň", "úpěl", "ďábelské", "ódy", "dobrý", "den", "děkuji"}
	inRussian  = []string{"Съешь", "же", "ещё", "этих", "мягких", "французских", "булок", "да", "выпей", "чаю"}
	inGreek    = []string{"Ξεσκεπάζω", "την", "ψυχοφθόρα", "βδελυγμία", "καλημέρα"}
	inTurkish  = []string{"Pijamalı", "hasta", "yağız", "şoföre", "çabucak", "güvendi"}
	inHebrew   = []string{"שלום", "עולם", "לקוח", "הזמנה"}
	inJapanese = []string{"いろはにほへと", "日本語", "の", "メール", "問い合わせ", "ありがとう"}
	inChinese  = []string{"你好", "世界", "订单", "客户", "服务", "谢谢"}
	inTaiwan   = []string{"你好", "世界", "訂單", "客戶", "服務", "謝謝"}
	inKorean   = []string{"안녕하세요", "고객", "주문", "감사합니다", "문의"}
	inSymbols  = []string{"Danke", "🎉", "𝒻ancy", "👍🏽", "ok", "žluťoučký"}
)

var scripts = []script{
	{"us-ascii", nil, inEnglish},
	{"utf-8", nil, inSymbols},
	{"UTF-8", nil, slices.Concat(inRussian, inGreek, inJapanese)},
	{"", nil, inGerman}, // nothing is declared
	{"iso-8859-1", charmap.ISO8859_1, inGerman},
	{"ISO-8859-15", charmap.ISO8859_15, inGerman},
	{"windows-1252", charmap.Windows1252, inGerman},
	{"iso-8859-2", charmap.ISO8859_2, inCzech},
	{"windows-1250", charmap.Windows1250, inCzech},
	{"koi8-r", charmap.KOI8R, inRussian},
	{"windows-1251", charmap.Windows1251, inRussian},
	{"iso-8859-5", charmap.ISO8859_5, inRussian},
	{"cp866", charmap.CodePage866, inRussian},
	{"iso-8859-7", charmap.ISO8859_7, inGreek},
	{"windows-1253", charmap.Windows1253, []string{"Ξεσκεπάζω", "την"}},
	{"iso-8859-9", charmap.ISO8859_9, inTurkish},
	{"windows-1254", charmap.Windows1254, inTurkish},
	{"windows-1255", charmap.Windows1255, inHebrew},
	{"iso-2022-jp", japanese.ISO2022JP, inJapanese},
	{"shift_jis", japanese.ShiftJIS, inJapanese},
	{"euc-jp", japanese.EUCJP, inJapanese},
	{"gb18030", simplifiedchinese.GB18030, inChinese},
	{"gb2312", simplifiedchinese.GBK, inChinese},
	{"big5", traditionalchinese.Big5, inTaiwan},
	{"euc-kr", korean.EUCKR, inKorean},
	{"ks_c_5601-1987", korean.EUCKR, inKorean},
}

// encode writes text in the script's charset.
func (s script) encode(text string) []byte {
	if s.enc == nil {
		return []byte(text)
	}
	out, err := s.enc.NewEncoder().String(text)
	if err != nil {
		panic("corpus: " + s.charset + " cannot write its own words: " + err.Error())
	}
	return []byte(out)
}
