package config

import _ "embed"

// Example is a commented configuration with every key there is: the reference.
// It needs the environment variables CORE_SECRET, OMNI_TOKEN and OMNI_OUT.
//
//go:embed example.yaml
var Example string
