// Package deploy checks what is given to operators: alerts, runbook and
// dashboard against the metrics of a running gateway, the compose file and the
// systemd unit against what the programs really take.
//
// With the tag deploy it also builds the release and the images and runs them,
// with promtool, systemd-analyze and buildah; `make deploy` does that.
package deploy
