// Package chaos runs the real programs - gateway, reference core, simulated
// networks - under faults that dice choose, and then compares what both ends
// have. `make chaos` runs it; ARGS are -kills, -seed, -for and -only.
//
// # What is done to them
//
// SIGKILL, SIGSTOP and orderly stops of the gateway, SIGKILL and SIGSTOP of the
// core; every link (gateway to core, gateway to networks, networks to webhooks)
// reset, dead in one or both directions, slow, lossy; answers of the networks
// refused, cut or swallowed; a disk that is full, frozen, or turned read-only
// by the kernel with what was not synced gone; a torn tail behind the journal's
// log and a damaged index of it; a wall clock that steps; a second gateway on the
// same journal. In a part of the runs the link speaks TLS, JSON, or to a core
// without fences, without the mirroring of Ask, or that tells what nobody asked
// for to all.
//
// # How
//
// The test starts itself again inside namespaces of its own (house_test.go): the
// packet filter, the mounts and the processes of a run are nobody else's, and
// all are gone when it ends, however it ends. The dice are seeded and the seed
// is printed: it repeats what is done to whom, for how long and in which order,
// not the moment in which a process is hit.
//
//	plan_test.go      what the dice choose
//	world_test.go     the processes; lives_test.go: how they begin and end
//	links_test.go     the packet filter
//	disk_test.go      the file system below the journal
//	clock_test.go     the stepping clock
//	torn_test.go      damage to the journal while nobody has it open
//	traffic_test.go   customers and agents
//	oracle_test.go    what must hold at the end
//	report_test.go    what is told about a run
//
// # What it does not cover
//
// Clock steps are seen by the gateway only, by its Go code only (SQLite's own
// date functions are not used), and leave the monotonic clock alone: no clock of
// Linux makes that one jump. A disk that loses what it called synced cannot be
// survived: TestTornTail shows that then what was before is kept and served.
// Bits that turn in the middle of the journal's file are found only where SQLite
// looks.
package chaos
