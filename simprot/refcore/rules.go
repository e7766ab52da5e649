package refcore

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"servicelink/simprot"
)

// Rule names one thing SPEC.md asks of cores. A Core keeps every rule but
// those in Options.Break; `servicelink core-check` reports under the same names.
type Rule string

// The rules, in the order of SPEC.md. RuleInfo.Spec tells where each stands.
const (
	RuleBigFrame         Rule = "big-frame"
	RuleTooLong          Rule = "too-long"
	RuleDecodes          Rule = "decodes"
	RuleEncodings        Rule = "encodings"
	RuleHostile          Rule = "hostile"
	RuleUndecodable      Rule = "undecodable"
	RuleCredentials      Rule = "credentials"
	RuleVersion          Rule = "version"
	RuleLoginFirst       Rule = "login-first"
	RulePong             Rule = "pong"
	RulePing             Rule = "ping"
	RuleReplace          Rule = "replace"
	RuleOrder            Rule = "order"
	RuleOneChat          Rule = "one-chat"
	RuleReopen           Rule = "reopen"
	RuleStartSentences   Rule = "start-sentences"
	RuleStatusSentences  Rule = "status-sentences"
	RuleEmptySentences   Rule = "empty-sentences"
	RuleComplete         Rule = "complete"
	RuleSentenceOrder    Rule = "sentence-order"
	RuleUnknownChat      Rule = "unknown-chat"
	RuleOnlyAnswers      Rule = "only-answers"
	RuleClosedChat       Rule = "closed-chat"
	RuleClosedNews       Rule = "closed-news"
	RuleEcho             Rule = "echo"
	RuleEchoOnce         Rule = "echo-once"
	RuleStored           Rule = "stored"
	RuleDuplicates       Rule = "duplicates"
	RuleAnswers          Rule = "answers"
	RuleAsker            Rule = "asker"
	RuleMaxFrame         Rule = "max-frame"
	RuleCutOldest        Rule = "cut-oldest"
	RuleCutOutbound      Rule = "cut-outbound"
	RuleUnknownCode      Rule = "unknown-code"
	RuleUnknownMember    Rule = "unknown-member"
	RuleFence            Rule = "fence"
	RuleFenceBack        Rule = "fence-back"
	RuleAsks             Rule = "asks"
	RuleAfterCounter     Rule = "after-counter"
	RuleAfterCounterChat Rule = "after-counter-chat"
	RuleListCounter      Rule = "list-counter"
	RuleListClosed       Rule = "list-closed"
	RuleCounter          Rule = "counter"
	RuleReadConfirm      Rule = "read-confirm"
	RuleGateways         Rule = "gateways"
	RuleGatewaysAddress  Rule = "gateways-address"
	RuleGatewaysList     Rule = "gateways-list"
	RuleMessageLimits    Rule = "message-limits"
	RuleMessageReceived  Rule = "message-received"
	RuleMessageOnce      Rule = "message-once"
	RuleMessageStray     Rule = "message-stray"
	RuleMessageNew       Rule = "message-new"
	RuleMessageSending   Rule = "message-sending"
	RuleMessageResent    Rule = "message-resent"
	RuleMessageDone      Rule = "message-done"
	RuleMessageAgain     Rule = "message-again"
	RuleMessageGateways  Rule = "message-gateways"
	RuleNews             Rule = "news"
	RuleList             Rule = "list"
	RuleListMore         Rule = "list-more"
	RuleOutbound         Rule = "outbound"
	RuleConfirm          Rule = "confirm"
	RuleChatID           Rule = "chat-id"
	RuleStop             Rule = "stop"
	RuleAddress          Rule = "address"
	RuleLimits           Rule = "limits"
	RuleText             Rule = "text"
)

// ErrRule is the class of rules that do not exist.
var ErrRule = errors.New("refcore: no such rule")

// RuleInfo describes a Rule.
type RuleInfo struct {
	Rule   Rule
	Spec   string // its number in SPEC.md: R1, O1 of section 10, or a section
	Broken string // what a Core does that breaks it

	// faults break the rule by themselves; the others are asked for where they
	// apply.
	faults []Fault
}

// always makes the fault that acts on every packet of a code.
func always(kind FaultKind, code simprot.Code) []Fault {
	return []Fault{{Kind: kind, Code: code, Count: -1}}
}

var ruleInfos = []RuleInfo{
	{Rule: RuleBigFrame, Spec: "2.2", Broken: "throws frames away that are longer than half of MaxFrame"},
	{Rule: RuleTooLong, Spec: "2.2", Broken: "resets a connection that sends a frame above MaxFrame"},
	{Rule: RuleDecodes, Spec: "2.3", Broken: "sends a packet with a member of the wrong type after SP_WELCOME"},
	{Rule: RuleEncodings, Spec: "2.4", Broken: "skips payloads that are not in the encoding it writes itself"},
	{Rule: RuleHostile, Spec: "2.6", Broken: "skips a broken frame instead of closing"},
	{Rule: RuleUndecodable, Spec: "2.6", Broken: "resets a connection that sends a packet with a member of the wrong type"},
	{Rule: RuleText, Spec: "3", Broken: "keeps ASCII only of texts"},
	{Rule: RuleCredentials, Spec: "6.1", Broken: "takes any account and secret"},
	{Rule: RuleVersion, Spec: "6.1", Broken: "takes any version"},
	{Rule: RuleLoginFirst, Spec: "6.1", Broken: "lets in who sends something else than SP_LOGIN"},
	{Rule: RulePong, Spec: "6.2", Broken: "leaves SP_PING unanswered"},
	{Rule: RulePing, Spec: "6.2", Broken: "does not ping a silent connection"},
	{Rule: RuleReplace, Spec: "6.3", Broken: "lets earlier connections of the same Peer and Instance live"},
	{Rule: RuleNews, Spec: "7.2", Broken: "never sends news", faults: always(FaultLose, simprot.CodeChatStatus)},
	{Rule: RuleList, Spec: "7.5", Broken: "leaves the newest chat out of SE_CHAT_LIST"},
	{Rule: RuleListMore, Spec: "7.5", Broken: "splits a long SE_CHAT_LIST without More"},
	{Rule: RuleAfterCounterChat, Spec: "7.5", Broken: "keeps AfterCounter whatever the ChatId"},
	{Rule: RuleOutbound, Spec: "7.7", Broken: "does not send what the agent says; RESYNC and STATUS show it", faults: always(FaultLose, simprot.CodeChatSentence)},
	{Rule: RuleConfirm, Spec: "7.7", Broken: "takes no ES_CHAT_CONFIRM", faults: always(FaultLose, simprot.CodeChatConfirmIn)},
	{Rule: RuleChatID, Spec: "7.7", Broken: "leaves ChatId out of sentences, as cores do that keep to the letter of the source"},
	{Rule: RuleStop, Spec: "7.10", Broken: "takes no ES_CHAT_STOP", faults: always(FaultLose, simprot.CodeChatStop)},
	{Rule: RuleAddress, Spec: "8.1", Broken: "sends TrackingId in upper case in sentences"},
	{Rule: RuleLimits, Spec: "8.3", Broken: "cuts the IDs of sentences to 32 characters"},
	{Rule: RuleMessageLimits, Spec: "8.3", Broken: "refuses messages with a SubjectField above 255 characters"},
	{Rule: RuleOrder, Spec: "R1", Broken: "handles every second sentence of a connection 20 ms later"},
	{Rule: RuleOneChat, Spec: "R2", Broken: "opens a second chat at START"},
	{Rule: RuleReopen, Spec: "R2", Broken: "opens no new chat at START when there is a closed one"},
	{Rule: RuleStartSentences, Spec: "R3", Broken: "leaves Sentences out of the answer to START"},
	{Rule: RuleStatusSentences, Spec: "R3", Broken: "leaves Sentences out of the answer to STATUS"},
	{Rule: RuleEmptySentences, Spec: "R3", Broken: "leaves Sentences out when there are none"},
	{Rule: RuleComplete, Spec: "R3", Broken: "shows the last 5 sentences only"},
	{Rule: RuleSentenceOrder, Spec: "R3", Broken: "shows the newest sentence first"},
	{Rule: RuleUnknownChat, Spec: "R3", Broken: "leaves STATUS of an unknown TrackingId unanswered"},
	{Rule: RuleOnlyAnswers, Spec: "R3", Broken: "puts Sentences into news and SE_CHAT_LIST"},
	{Rule: RuleClosedChat, Spec: "R4", Broken: "takes and echoes sentences for a closed chat"},
	{Rule: RuleClosedNews, Spec: "R4", Broken: "says nothing about a sentence for a closed chat"},
	{Rule: RuleEcho, Spec: "R5", Broken: "echoes a sentence under an ID of its own"},
	{Rule: RuleEchoOnce, Spec: "R5", Broken: "echoes twice", faults: always(FaultTwice, simprot.CodeChatSentenceIn)},
	{Rule: RuleStored, Spec: "R5", Broken: "echoes a sentence and does not store it"},
	{Rule: RuleDuplicates, Spec: "R5", Broken: "takes a sentence twice whose ID it has"},
	{Rule: RuleAnswers, Spec: "R6", Broken: "leaves REQUEST unanswered", faults: always(FaultNever, simprot.CodeChatRequest)},
	{Rule: RuleAsker, Spec: "R6", Broken: "answers on the connection that claimed the Port"},
	{Rule: RuleMaxFrame, Spec: "R7", Broken: "writes frames above the gateway's MaxFrame"},
	{Rule: RuleCutOldest, Spec: "R7", Broken: "leaves the newest Sentences out of an answer that is too long"},
	{Rule: RuleCutOutbound, Spec: "R7", Broken: "leaves outbound Sentences without ConfirmedTime out, too"},
	{Rule: RuleUnknownCode, Spec: "R8", Broken: "resets a connection that sends an unknown code"},
	{Rule: RuleUnknownMember, Spec: "R8", Broken: "skips packets with more than three elements"},
	{Rule: RuleFence, Spec: "O1", Broken: "announces Fences and takes START and SENTENCE behind the fence"},
	{Rule: RuleFenceBack, Spec: "O1", Broken: "fences a connection off for good"},
	{Rule: RuleAsks, Spec: "O2", Broken: "announces Asks and does not mirror Ask"},
	{Rule: RuleAfterCounter, Spec: "O3", Broken: "ignores AfterCounter"},
	{Rule: RuleListCounter, Spec: "O4", Broken: "leaves Counter out of SE_CHAT_LIST"},
	{Rule: RuleListClosed, Spec: "O5", Broken: "leaves closed chats out of SE_CHAT_LIST"},
	{Rule: RuleCounter, Spec: "O6", Broken: "leaves Counter out of sentences"},
	{Rule: RuleReadConfirm, Spec: "O9", Broken: "does not tell what the agent has read", faults: always(FaultLose, simprot.CodeChatConfirm)},
	{Rule: RuleGateways, Spec: "O14", Broken: "leaves ES_SL_GETGATEWAYS unanswered", faults: always(FaultNever, simprot.CodeGatewaysAsk)},
	{Rule: RuleGatewaysAddress, Spec: "M1", Broken: "gives every gateway, whatever the address"},
	{Rule: RuleGatewaysList, Spec: "M1", Broken: "gives one gateway more, each time with another Id"},
	{Rule: RuleMessageReceived, Spec: "M2", Broken: "does not mirror RequestId"},
	{Rule: RuleMessageOnce, Spec: "M2", Broken: "answers a message twice", faults: always(FaultTwice, simprot.CodeMessageIn)},
	{Rule: RuleMessageStray, Spec: "M2", Broken: "says nothing about a message of an unknown gateway"},
	{Rule: RuleMessageNew, Spec: "M3", Broken: "gives all messages of a gateway the MessageId of the first"},
	{Rule: RuleMessageSending, Spec: "M4", Broken: "leaves DeliverySystemId out of SE_MESSAGE_SENDING"},
	{Rule: RuleMessageResent, Spec: "M4", Broken: "never says SE_MESSAGE_SENDING again"},
	{Rule: RuleMessageDone, Spec: "M5", Broken: "takes no ES_MESSAGE_SENT", faults: always(FaultLose, simprot.CodeMessageOutDone)},
	{Rule: RuleMessageAgain, Spec: "M6", Broken: "stores a message that comes again as a new one"},
	{Rule: RuleMessageGateways, Spec: "M6", Broken: "knows a message by its DeliverySystemId alone"},
}

// Rules lists every Rule, in the order of SPEC.md.
func Rules() []RuleInfo { return slices.Clone(ruleInfos) }

// Bare are the rules a core that keeps to what is required does not know:
// AfterCounter, Counter in SE_CHAT_LIST and closed chats in it.
func Bare() []Rule { return []Rule{RuleAfterCounter, RuleListCounter, RuleListClosed} }

// ParseRules reads a list of rules with commas between them; ErrRule.
func ParseRules(text string) ([]Rule, error) {
	var rules []Rule
	for name := range strings.SplitSeq(text, ",") {
		rules = append(rules, Rule(strings.TrimSpace(name)))
	}
	return rules, checkRules(rules)
}

func checkRules(rules []Rule) error {
	for _, r := range rules {
		if !slices.ContainsFunc(ruleInfos, func(i RuleInfo) bool { return i.Rule == r }) {
			return fmt.Errorf("%w: %q", ErrRule, string(r))
		}
	}
	return nil
}

// ruleSet are the rules a Core breaks.
type ruleSet map[Rule]bool

func newRuleSet(rules []Rule) ruleSet {
	s := ruleSet{}
	for _, r := range rules {
		s[r] = true
	}
	return s
}

// faults are those that break the set's rules by themselves.
func (s ruleSet) faults() []Fault {
	var all []Fault
	for _, i := range ruleInfos {
		if s[i.Rule] {
			all = append(all, i.faults...)
		}
	}
	return all
}
