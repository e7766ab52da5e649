// Package sim runs the gateway against a model of everything around it, and
// lets everything go wrong that can. Each run is made from one seed, on virtual
// time (testing/synctest), and ends with the promise being checked.
//
// The gateway is the real one, through its exported constructor, with a real
// journal. The model core keeps the rules simprot.md and SPEC.md ask of cores,
// each optional one or not; the model networks bring events by webhook or
// polling and take sends; both were written from the documents and share no
// code with the engine but the packets' codec.
//
// # Rooms
//
//	plan.go       what happens in a run, drawn from its seed before it begins
//	dice.go       what else is drawn, by name and not in turn
//	run.go        a run from its begin to its end
//	world.go      what is known of every message; the moments at which a process may die
//	core.go       the model core; coreanswer.go what it tells, corefault.go its mischief
//	wire.go       connections that delay, stall, break and deliver late
//	network.go    the model networks and their connectors; netasked.go those that can be asked, or tell
//	message*.go   runs with messages: messageplan.go, messagecore.go, messagedevice.go (mailboxes and
//	              mail hosts), messageoracle.go
//	house.go      the gateway's processes: start, crash, stop
//	disk.go       their journals, across crashes
//	oracle.go     the promise, each property by its name
//	excuses.go    what nobody can decide, each case by its name
//	timeline.go   what happened, for people; shrink.go takes out what does not matter
//	mutations/    rules to switch off; the simulation must notice each
//
// # Running it
//
//	make sim                     fixed seeds, then a minute of fresh ones
//	make sim ARGS='-for 10m'     ten minutes of fresh ones
//	make mutants                 switches off one rule after the other
//	go test ./test/sim -run TestSim -v -args -seed 42        one run with its timeline; -log adds the engine's log
//	go test ./test/sim -run TestMessages -v -args -seed 42   the same of a run with messages, whose seeds are others
//	go test ./test/sim -run TestSim -args -from 1 -runs 500 -keep DIR
//
// # What a seed replays
//
// The plan, and all that is drawn from it, is the same every time: settings,
// what people do and when, every fault, every latency. What a seed does not
// reach: the order in which goroutines that are ready at the same virtual
// moment run (one processor makes it nearly the same), Go's order of maps and
// of ready select cases, and the client's pause before it connects again, which
// the model hides behind a longer one. Dice are drawn by name, so such a
// difference stays where it is. Most failures come back at once, rare ones at
// the second or third try.
//
// # What a crash is
//
// As with kill -9: at a moment drawn or named (a packet is read, a commit is
// made and not handed over, a request has left, ...) the process loses its
// connections and its files; what it had written stays, synced or not, since the
// kernel has it. A loss of power is not simulated here.
package sim
