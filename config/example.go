package config

import _ "embed"

// Example is a commented configuration with every key there is: the reference.
//
//go:embed example.yaml
var Example string
