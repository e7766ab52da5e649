//go:build deploy

package deploy

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"servicelink/test/ports"
	"servicelink/test/proc"
)

// patience bounds every wait for a process.
const patience = time.Minute

// image is an image as `docker load` would have it: its files below a folder and
// what it says about running it.
type image struct {
	Root   string
	Layers []string
	Config struct {
		User        string
		Env         []string
		Entrypoint  []string
		Cmd         []string
		Volumes     map[string]any
		Labels      map[string]string
		Healthcheck struct{ Test []string }
	}
	Architecture string
}

// openImage unpacks an archive of build.sh.
func openImage(t *testing.T, name, arch string) *image {
	t.Helper()
	files := archive(t, filepath.Join(made(t, "IMAGES"), name+"_"+made(t, "VERSION")+"_linux_"+arch+".docker.tar"))
	var manifest []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil || len(manifest) != 1 {
		t.Fatalf("the manifest of %s: %v", name, err)
	}
	i := &image{Root: t.TempDir(), Layers: manifest[0].Layers}
	if err := json.Unmarshal(files[manifest[0].Config], i); err != nil {
		t.Fatal(err)
	}
	for _, layer := range i.Layers {
		c := exec.CommandContext(t.Context(), "tar", "--extract", "--same-owner", "--same-permissions", "--directory", i.Root)
		c.Stdin = bytes.NewReader(files[layer])
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return i
}

func archive(t *testing.T, path string) map[string][]byte {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	files := map[string][]byte{}
	for reader := tar.NewReader(file); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
}

// TestImageIsSmall: nothing is in the images but what is meant to be.
func TestImageIsSmall(t *testing.T) {
	for _, arch := range releasedFor {
		gateway := openImage(t, "servicelink", arch)
		want := map[string]bool{
			"/": true, "/data": true, "/etc": true, "/etc/servicelink": true, "/etc/ssl": true, "/etc/ssl/certs": true, "/licenses": true,
			"/etc/ssl/certs/ca-certificates.crt": true, "/licenses/LICENSE": true, "/licenses/THIRD-PARTY-LICENSES.txt": true,
			"/licenses/servicelink.cdx.json": true, "/servicelink": true,
		}
		err := filepath.WalkDir(gateway.Root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name := "/" + strings.TrimPrefix(strings.TrimPrefix(path, gateway.Root), "/")
			if !want[name] {
				t.Errorf("%s has %s", arch, name)
			}
			delete(want, name)
			info, err := entry.Info()
			if err != nil {
				return err
			}
			owner := info.Sys().(*syscall.Stat_t).Uid
			if (owner != 0) != (name == "/data") || info.Mode().Perm()&0o022 != 0 || info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
				t.Errorf("%s: %s of user %d", name, info.Mode(), owner)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if len(want) > 0 {
			t.Errorf("%s lacks %v", arch, want)
		}
		for _, i := range []*image{gateway, openImage(t, "servicelink-refcore", arch)} {
			if i.Architecture != arch || i.Config.User != "65532:65532" || i.Config.Labels["org.opencontainers.image.version"] != made(t, "VERSION") {
				t.Errorf("it says %s, %s, %v", i.Architecture, i.Config.User, i.Config.Labels)
			}
		}
	}
}

// container runs an image as a container engine would: its files, read-only, as
// the root; its volume the only place that can be written; its user; no
// capability. It has this system's network.
type container struct {
	t      *testing.T
	image  *image
	config string // this file as the configuration
	data   string // this folder as /data
	env    []string
}

// script becomes the program itself, so that signals reach it.
const script = `set -eu
root=$1 data=$2 config=$3 user=$4
shift 4
mount --make-rprivate /
mount --bind "$root" "$root"
mkdir -p "$root/proc"
mount -t proc proc "$root/proc"
if [ -n "$config" ]; then
	touch "$root/etc/servicelink/gateway.yaml"
	mount --bind "$config" "$root/etc/servicelink/gateway.yaml"
	mount -o remount,bind,ro "$root/etc/servicelink/gateway.yaml"
	mount --bind "$data" "$root/data"
fi
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs --bounding-set -all,+sys_chroot,+setuid,+setgid --inh-caps -all chroot --groups= --userspec "$user" "$root" "$@"`

// command prepares the image's entry point with args.
func (c *container) command(ctx context.Context, args ...string) *exec.Cmd {
	entry := append(c.image.Config.Entrypoint, args...)
	arguments := append([]string{"--mount", "sh", "-c", script, "sh", c.image.Root, c.data, c.config, c.image.Config.User}, entry...)
	cmd := exec.CommandContext(ctx, "unshare", arguments...)
	cmd.Env = append(append([]string{}, c.image.Config.Env...), c.env...)
	return cmd
}

// output runs the image to its end.
func (c *container) output(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	out, err := c.command(ctx, args...).CombinedOutput()
	return string(out), err
}

// start runs it until the test ends and gives what it prints.
func (c *container) start(args ...string) (cmd *exec.Cmd, stdout io.Reader) {
	c.t.Helper()
	cmd = c.command(context.WithoutCancel(c.t.Context()), args...)
	log := new(bytes.Buffer)
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		if c.t.Failed() {
			c.t.Logf("%s:\n%s", c.image.Config.Entrypoint[0], log)
		}
	})
	return cmd, stdout
}

// TestImageRuns runs both images: a customer's message passes through the
// gateway to the core, and the gateway keeps within its bounds.
func TestImageRuns(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("a container is made of mounts, which only root can make")
	}
	core := &container{t: t, image: openImage(t, "servicelink-refcore", runtime.GOARCH), env: []string{"REFCORE_SECRET=secret-of-the-image-test"}}
	_, stdout := core.start("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
	var addresses struct{ Simprot, Console string }
	if err := json.NewDecoder(stdout).Decode(&addresses); err != nil {
		t.Fatal(err)
	}

	g := newContainedGateway(t, addresses.Simprot)
	if out, err := g.output("check", "--config", "/etc/servicelink/gateway.yaml"); err != nil || !strings.Contains(out, "channel shop") {
		t.Fatalf("check: %v\n%s", err, out)
	}
	cmd, _ := g.start(g.image.Config.Cmd...)
	health := append(g.image.Config.Healthcheck.Test[2:], "--address", g.private) // 0 is CMD, 1 the program
	if g.image.Config.Healthcheck.Test[1] != g.image.Config.Entrypoint[0] {
		t.Fatalf("the health check is %q", g.image.Config.Healthcheck.Test)
	}
	g.until("healthy", func(context.Context) error {
		out, err := g.output(health...)
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	g.until("logged in to the core", func(ctx context.Context) error {
		metrics, err := proc.Scrape(ctx, g.client, g.private)
		if up, _ := metrics.Sum("servicelink_core_link_up"); err == nil && up != 1 {
			err = errors.New("it is not")
		}
		return err
	})
	g.write()
	g.until("shown to the agent", func(ctx context.Context) error {
		all, err := (&proc.Core{URL: strings.TrimSuffix(addresses.Console, "/"), Client: g.client}).Sentences(ctx, "shop")
		if err == nil && len(all) != 1 {
			err = fmt.Errorf("%d sentences", len(all))
		}
		return err
	})
	g.inBounds(cmd.Process.Pid)

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if out, err := g.output(health...); err == nil {
		t.Errorf("nobody runs, and the health check says %q", out)
	}
}

type containedGateway struct {
	container
	public, private string
	client          *http.Client
}

const hookToken = "token-of-the-image-test"

func newContainedGateway(t *testing.T, core string) *containedGateway {
	t.Helper()
	g := &containedGateway{
		container: container{t: t, image: openImage(t, "servicelink", runtime.GOARCH), data: t.TempDir(), config: filepath.Join(t.TempDir(), "gateway.yaml")},
		public:    ports.For(t), private: ports.For(t),
		client: &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	g.env = []string{"CORE_SECRET=secret-of-the-image-test", "OMNI_TOKEN=" + hookToken}
	write(t, g.config, `
core: { address: "`+core+`", secret: "${CORE_SECRET}", instance: image-test }
public: { listen: "`+g.public+`" }
private: { listen: "`+g.private+`" }
channels: [ { name: shop, network: omnichannel, settings: { token: "${OMNI_TOKEN}", webhook_url: "https://client.example" } } ]
`)
	// A volume that is new has what the image has there.
	info, err := os.Stat(filepath.Join(g.image.Root, "data"))
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	for path, mode := range map[string]fs.FileMode{g.data: info.Mode().Perm(), g.config: 0o644, g.image.Root: 0o755} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(g.data, int(stat.Uid), int(stat.Gid)); err != nil {
		t.Fatal(err)
	}
	return g
}

// until asks again and again until the answer is good.
func (g *containedGateway) until(what string, ask func(context.Context) error) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	next := time.NewTicker(50 * time.Millisecond)
	defer next.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-next.C:
		case <-ctx.Done():
			g.t.Fatalf("not %s: %v", what, err)
		}
	}
}

// write is a customer's message by webhook.
func (g *containedGateway) write() {
	g.t.Helper()
	const body = `{"event":"new_message","chat_id":4711,"visitor":{"id":"ada"},"message":{"id":"1","kind":"visitor","text":"Hello"}}`
	url := "http://" + g.public + "/connector/omnichannel/omnichannel_message/" + hookToken + "/bot_api_webhook"
	request, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := g.client.Do(request)
	if err != nil {
		g.t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		g.t.Fatalf("the webhook is answered %s", answer.Status)
	}
}

// inBounds looks at the running process from outside.
func (g *containedGateway) inBounds(pid int) {
	g.t.Helper()
	status := g.proc(pid, "status")
	for _, want := range []string{
		"Uid:\t65532\t65532\t65532\t65532", "Gid:\t65532\t65532\t65532\t65532", "Groups:\t \n", "NoNewPrivs:\t1",
		"CapEff:\t0000000000000000", "CapPrm:\t0000000000000000",
	} {
		if !strings.Contains(status, want) {
			g.t.Errorf("the process lacks %q:\n%s", want, status)
		}
	}
	mounts := g.mounts(pid)
	entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		g.t.Fatal(err)
	}
	written := 0
	for _, entry := range entries {
		name, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "fd", entry.Name()))
		if err != nil || !strings.HasPrefix(name, "/") || strings.HasPrefix(name, "/dev/") {
			continue // gone again, a socket, a pipe
		}
		info := map[string]string{}
		for line := range strings.Lines(g.proc(pid, "fdinfo/"+entry.Name())) {
			key, value, _ := strings.Cut(line, ":")
			info[key] = strings.TrimSpace(value)
		}
		flags, err := strconv.ParseInt(info["flags"], 8, 64)
		if err != nil {
			g.t.Fatal(err)
		}
		if flags&syscall.O_ACCMODE == syscall.O_RDONLY {
			continue
		}
		written++
		if at := mounts[info["mnt_id"]]; at.point != "/data" {
			g.t.Errorf("it writes to %s, which is in %s", name, at.point)
		}
	}
	if written == 0 {
		g.t.Error("it has no file open to write to: the test looks in the wrong place")
	}
	for _, m := range mounts {
		if m.point != "/data" && m.point != "/proc" && !strings.HasPrefix(m.options, "ro,") {
			g.t.Errorf("%s can be written: %s", m.point, m.options)
		}
	}
	if len(mounts) != 4 {
		g.t.Errorf("it sees the mounts %v", mounts)
	}
}

type mounted struct{ point, options string }

// mounts gives what the process sees mounted, by id.
func (g *containedGateway) mounts(pid int) map[string]mounted {
	g.t.Helper()
	found := map[string]mounted{}
	for line := range strings.Lines(g.proc(pid, "mountinfo")) {
		fields := strings.Fields(line) // id parent device root point options ...
		found[fields[0]] = mounted{fields[4], fields[5]}
	}
	return found
}

func (g *containedGateway) proc(pid int, name string) string {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), name))
	if err != nil {
		g.t.Fatal(err)
	}
	return string(text)
}
