#!/usr/bin/env bash
# build VERSION RELEASE FOLDER [ARCH...]: makes the images of a release that
# deploy/release.sh has made, without a daemon and without a network:
#
#   FOLDER/servicelink_VERSION_linux_ARCH.docker.tar
#   FOLDER/servicelink-refcore_VERSION_linux_ARCH.docker.tar
#
# for `docker load` or `podman load`. The same release gives the same files in them.
set -euo pipefail

version=$1 release=$(cd "$2" && pwd) out=$3
shift 3
[[ $# -gt 0 ]] || set -- amd64 arm64
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")"
here=$PWD
# A store of its own, so that nothing of this machine's images is touched.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
store() { buildah --storage-driver vfs --root "$work/store" --runroot "$work/run" "$@"; }

epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
# The authorities of the networks' certificates are this machine's.
authorities=/etc/ssl/certs/ca-certificates.crt

for arch in "$@"; do
	context=$work/context
	rm -rf "$context"
	mkdir -p "$context"/{data,root/etc/ssl/certs,root/etc/servicelink,root/licenses}
	cp "$authorities" "$context/root/etc/ssl/certs/"
	cp "$release/linux_$arch"/{LICENSE,THIRD-PARTY-LICENSES.txt,servicelink.cdx.json} "$context/root/licenses/"
	cp "$release/linux_$arch"/{servicelink,refcore} "$context/"
	chmod -R u=rwX,go=rX "$context"
	for target in servicelink refcore; do
		name=servicelink
		[[ $target == servicelink ]] || name=servicelink-$target
		# The docker format, as OCI's has no health check.
		store build --isolation chroot --format docker --pull-never --timestamp "$epoch" --platform "linux/$arch" \
			--target "$target" --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
			--file "$here/Containerfile" --tag "$name:$version" --quiet "$context" >/dev/null
		file=$out/${name}_${version}_linux_$arch.docker.tar
		rm -f "$file"
		store push --quiet "localhost/$name:$version" "docker-archive:$file:$name:$version"
		echo "$file"
	done
done
