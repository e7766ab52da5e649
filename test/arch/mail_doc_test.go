package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// deviceTables are the tables of docs/mail.md, and where their settings are declared.
var deviceTables = map[string]string{
	"Mail servers": "connectors/email hostSettings", "OAuth": "connectors/email oauthSettings",
	"Mails that come": "connectors/email mailSettings", "ImapHost": "connectors/email imapSettings",
	"Pop3Host": "connectors/email pop3Settings", "DropFolder": "connectors/email dropSettings",
	"SmtpHost": "connectors/email smtpSettings", "TwilioSms": "connectors/sms deviceConfig",
}

var settingRow = regexp.MustCompile("(?m)^\\| `([A-Za-z0-9]+)` \\| (required)?")

// TestMailSettings: docs/mail.md has every setting of every device, none that there
// is not, and says which are required.
func TestMailSettings(t *testing.T) {
	declared := deviceSettings(t)
	_, page, _ := strings.Cut(read(t, "docs/mail.md"), "\n## Devices\n")
	page, _, _ = strings.Cut(page, "\n## ")
	tables := strings.Split(page, "\n### ")[1:]
	if len(tables) != len(deviceTables) {
		t.Errorf("docs/mail.md has %d tables of settings, not %d", len(tables), len(deviceTables))
	}
	for _, table := range tables {
		title, rows, _ := strings.Cut(table, "\n")
		told := map[string]bool{}
		for _, row := range settingRow.FindAllStringSubmatch(rows, -1) {
			told[row[1]] = row[2] != ""
		}
		want := declared[deviceTables[title]]
		if title == "Mail servers" && want != nil {
			want["User"] = true // by the checks: a mailbox is nothing without one
		}
		if len(want) == 0 || !maps.Equal(told, want) {
			t.Errorf("docs/mail.md, %s: has (true = required) %v, and the device %v", title, told, want)
		}
	}
}

// deviceSettings are the settings of every struct of deviceTables, true = required.
func deviceSettings(t *testing.T) map[string]map[string]bool {
	t.Helper()
	found := map[string]map[string]bool{}
	wanted := slices.Collect(maps.Values(deviceTables))
	for _, f := range goFiles(t) {
		if dir := f.dir(); f.isTest() || dir != "connectors/email" && dir != "connectors/sms" {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.name, f.text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			decl, _ := d.(*ast.GenDecl)
			if decl == nil {
				continue
			}
			for _, s := range decl.Specs {
				spec, _ := s.(*ast.TypeSpec)
				if spec == nil || !slices.Contains(wanted, f.dir()+" "+spec.Name.Name) {
					continue
				}
				if body, ok := spec.Type.(*ast.StructType); ok {
					found[f.dir()+" "+spec.Name.Name] = settingsOf(t, body)
				}
			}
		}
	}
	return found
}

func settingsOf(t *testing.T, body *ast.StructType) map[string]bool {
	t.Helper()
	settings := map[string]bool{}
	for _, field := range body.Fields.List {
		if field.Tag == nil { // embedded: it has a table of its own
			continue
		}
		tag, err := strconv.Unquote(field.Tag.Value)
		if err != nil {
			t.Fatal(err)
		}
		name, options, _ := strings.Cut(reflect.StructTag(tag).Get("yaml"), ",")
		settings[name] = options == "required"
	}
	return settings
}
