// Package proxies runs the programs that stand in front of a gateway - nginx and
// HAProxy, as Debian has them - with the very files in examples/proxies, on
// loopback and with TLS. It looks at what comes through: addresses letter by
// letter, as networks sign them, the caller's address, bodies, and what happens
// while the gateway starts again. The tests have the build tag proxies, because
// they need both programs and bin/servicelink; `make proxies` provides them and
// fails when the tests did not run.
package proxies
