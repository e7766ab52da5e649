// Package security attacks the real program over real sockets: slow and
// numerous callers, bombs, tricks with paths, forged links, addresses that lead
// inside, texts that would forge log lines. SECURITY.md says which test shows
// which defence. What is cheaper to show on a part of the program stands beside
// that part.
package security
