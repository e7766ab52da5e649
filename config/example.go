package config

import _ "embed"

// Example is a commented configuration with every key there is: the reference.
// Its first comment lists the environment variables it needs.
//
//go:embed example.yaml
var Example string
