#!/usr/bin/env bash
# release VERSION FOLDER: makes a release of this source tree, for Linux on amd64
# and arm64. The folder gets, for each of them,
#
#   servicelink_VERSION_linux_ARCH.tar.gz    programs, licences, what is in deploy/
#   servicelink_VERSION_linux_ARCH.cdx.json  what the programs are linked from
#
# and SHA256SUMS. linux_ARCH/ keeps the programs as they are packed, for images.
# The same sources, version, SOURCE_DATE_EPOCH and Go give the same bytes,
# wherever and by whomever they are made.
set -euo pipefail

version=$1 out=$2
# It becomes part of file names and of image tags.
[[ $version =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$ ]] || { echo "release: version '$version' is no word of letters, digits and . _ -" >&2; exit 2; }
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")/.."

# Nothing of the caller's surroundings may get in.
export LC_ALL=C TZ=UTC CGO_ENABLED=0 GOFLAGS= GOEXPERIMENT= GOAMD64=v1 GOARM64=v8.0 GOWORK=off
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
umask 022

programs=(servicelink refcore simprot)
go -C tools build -o "$out/.sbom" ./sbom
sums=()
for arch in amd64 arm64; do
	name=servicelink_${version}_linux_$arch
	bin=$out/linux_$arch
	rm -rf "$bin"
	GOOS=linux GOARCH=$arch go build -buildvcs=false -trimpath -ldflags "-s -w -X main.version=$version" \
		-o "$bin/" "${programs[@]/#/./cmd/}"
	"$out/.sbom" -name servicelink -version "$version" -time "$SOURCE_DATE_EPOCH" \
		-bom "$out/$name.cdx.json" -licenses "$bin/THIRD-PARTY-LICENSES.txt" "${programs[@]/#/$bin/}"
	cp LICENSE "$bin/"
	cp config/example.yaml "$bin/example.yaml"
	cp "$out/$name.cdx.json" "$bin/servicelink.cdx.json"
	cp docs/runbook.md "$bin/"
	cp -R deploy/compose deploy/grafana deploy/prometheus deploy/systemd "$bin/"
	# Modes are said here, as a checkout's depend on its maker's umask.
	tar --create --format=gnu --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
		--mode='u=rwX,go=rX' --transform "s,^\./,$name/,;s,^\.\$,$name," --directory "$bin" . | gzip -9n >"$out/$name.tar.gz"
	sums+=("$name.tar.gz" "$name.cdx.json")
done
rm "$out/.sbom"
cd "$out"
sha256sum "${sums[@]}" | tee SHA256SUMS
