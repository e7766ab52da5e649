package deploy

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/schema"

	"servicelink/config"
)

const composeFolder = "deploy/compose/"

// service is what the checks need of a service of the compose file.
type service struct {
	Image       string            `yaml:"image"`
	Environment map[string]string `yaml:"environment"`
	Volumes     []string          `yaml:"volumes"`
	Ports       []string          `yaml:"ports"`
	Grace       string            `yaml:"stop_grace_period"`
	ReadOnly    bool              `yaml:"read_only"`
	DropCaps    []string          `yaml:"cap_drop"`
}

// mounts gives what is mounted, by its place in the container.
func (s service) mounts() map[string]string {
	found := map[string]string{}
	for _, v := range s.Volumes {
		parts := strings.Split(v, ":")
		found[parts[1]] = parts[0]
	}
	return found
}

// opens reports whether the container's port is published.
func (s service) opens(port string) bool {
	return slices.ContainsFunc(s.Ports, func(p string) bool { return strings.HasSuffix(p, ":"+port) })
}

func readServices(t *testing.T) map[string]service {
	t.Helper()
	var file struct {
		Services map[string]service `yaml:"services"`
	}
	readYAML(t, composeFolder+"compose.yaml", &file)
	return file.Services
}

// TestComposeSchema holds the file against the schema of the Compose
// Specification, and proves that the schema notices.
func TestComposeSchema(t *testing.T) {
	var file map[string]any
	readYAML(t, composeFolder+"compose.yaml", &file)
	if err := schema.Validate(file); err != nil {
		t.Error(err)
	}
	services, _ := file["services"].(map[string]any)
	gateway, _ := services["gateway"].(map[string]any)
	gateway["stop_grace"] = "45s"
	if schema.Validate(file) == nil {
		t.Error("the schema accepts a key that is none")
	}
}

// TestComposeFits: what the compose file says about the programs is what they
// and their images are.
func TestComposeFits(t *testing.T) {
	services := readServices(t)
	gateway, core := services["gateway"], services["core"]
	recipe := read(t, "deploy/image/Containerfile")
	build := read(t, "deploy/image/build.sh")
	for name, s := range map[string]service{"servicelink": gateway, "servicelink-refcore": core} {
		if !strings.HasPrefix(s.Image, name+":${VERSION") {
			t.Errorf("image %q, want %s of a version", s.Image, name)
		}
		if !s.ReadOnly || !slices.Equal(s.DropCaps, []string{"ALL"}) {
			t.Errorf("%s may do more than it needs", name)
		}
	}
	for _, word := range []string{"name=servicelink\n", "name=servicelink-$target\n", "for target in servicelink refcore;"} {
		if !strings.Contains(build, word) {
			t.Errorf("build.sh has no %q: it names its images otherwise than this test believes", word)
		}
	}

	mounts := gateway.mounts()
	file := mounts["/etc/servicelink/gateway.yaml"]
	if file == "" || !strings.Contains(recipe, `CMD ["run", "--config", "/etc/servicelink/gateway.yaml"]`) {
		t.Errorf("the configuration is not where the image looks for it: %v", mounts)
	}
	if mounts["/data"] == "" || !strings.Contains(recipe, "\nVOLUME /data\n") {
		t.Errorf("the journal's volume is not the image's: %v", mounts)
	}

	cfg := loadFor(t, gateway, path.Join(composeFolder, file))
	if !strings.HasPrefix(cfg.Journal.Path, "/data/") {
		t.Errorf("the journal is at %s, on no volume", cfg.Journal.Path)
	}
	if cfg.Core.Address != "core:18321" || !strings.Contains(recipe, `"--listen", "0.0.0.0:18321"`) {
		t.Errorf("the core is not at %s", cfg.Core.Address)
	}
	if cfg.Core.Instance == "" {
		t.Error("the instance changes with every start")
	}
	for _, listen := range []string{cfg.Public.Listen, cfg.Private.Listen} {
		port, found := strings.CutPrefix(listen, "0.0.0.0:")
		if !found || !gateway.opens(port) || !regexp.MustCompile(`\nEXPOSE .*\b`+port+`\b`).MatchString(recipe) {
			t.Errorf("%s is not published or not of the image", listen)
		}
	}
	if !core.opens("18380") || !strings.Contains(recipe, `"--http", "0.0.0.0:18380"`) {
		t.Error("the console is not published")
	}
	if grace, err := time.ParseDuration(gateway.Grace); err != nil || grace <= cfg.Limits.Stop {
		t.Errorf("it is killed after %s, and may take %s to stop", gateway.Grace, cfg.Limits.Stop)
	}
}

// loadFor reads a configuration as the service would.
func loadFor(t *testing.T, s service, file string) *config.Config {
	t.Helper()
	for name := range s.Environment {
		t.Setenv(name, "made-up-secret-of-"+name)
	}
	cfg, err := config.Load(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestComposeEnvironment: the example names every variable there is, and no
// other.
func TestComposeEnvironment(t *testing.T) {
	variable := regexp.MustCompile(`\$\{([A-Z_]+):\?`)
	wanted, listed := map[string]bool{}, map[string]bool{}
	for _, m := range variable.FindAllStringSubmatch(read(t, composeFolder+"compose.yaml"), -1) {
		wanted[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`(?m)^([A-Z_]+)=$`).FindAllStringSubmatch(read(t, composeFolder+"env.example"), -1) {
		listed[m[1]] = true
	}
	for name := range wanted {
		if !listed[name] {
			t.Errorf("env.example lacks %s", name)
		}
		delete(listed, name)
	}
	if len(listed) > 0 || len(wanted) == 0 {
		t.Errorf("env.example names %v, which nobody reads", listed)
	}
}

// TestComposePrometheus: it finds the gateway, its token and the rules.
func TestComposePrometheus(t *testing.T) {
	prometheus := readServices(t)["prometheus"]
	for inside, outside := range prometheus.mounts() {
		if !strings.HasPrefix(outside, ".") {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, composeFolder, outside)); err != nil {
			t.Errorf("%s: %v", inside, err)
		}
	}
	var file struct {
		Rules  []string `yaml:"rule_files"`
		Scrape []struct {
			Job     string `yaml:"job_name"`
			Targets []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, composeFolder+"prometheus.yml", &file)
	if prometheus.mounts()["/etc/prometheus/"+file.Rules[0]] != "../prometheus/"+filepath.Base(rulesFile) {
		t.Errorf("the rules are not mounted: %v", prometheus.Volumes)
	}
	s := file.Scrape[0]
	if s.Job != "servicelink" || s.Targets[0].Targets[0] != "gateway:9090" {
		t.Errorf("it scrapes %v as %q", s.Targets, s.Job)
	}
}
