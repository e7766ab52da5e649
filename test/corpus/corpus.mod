// Mails that others collected, for tests: test/corpus finds the module's folder by
//
//	go mod download -modfile=test/corpus/corpus.mod -json MODULE
//
// so that what nobody compiles is no dependency of the gateway.
module servicelink

go 1.26.0

require github.com/jhillyerd/enmime/v2 v2.3.0
