package writer

import (
	"fmt"

	"servicelink/gateway/journal"
)

// Unbalanced tells what is wrong with a line of the ledger, whose rows are
// pending as given.
func Unbalanced(k journal.LedgerKey, c journal.Counts, pending int64) (problems []string) {
	if c.Accepted+c.Requeued != c.Done+c.Dead+c.Pending {
		problems = append(problems, fmt.Sprintf("the ledger of %s %s is not in balance: accepted %d + requeued %d is not done %d + dead %d + pending %d",
			k.Channel, k.Direction, c.Accepted, c.Requeued, c.Done, c.Dead, c.Pending))
	}
	if pending != c.Pending {
		problems = append(problems, fmt.Sprintf("%s %s: %d rows are pending, and %d by the ledger", k.Channel, k.Direction, pending, c.Pending))
	}
	return problems
}
