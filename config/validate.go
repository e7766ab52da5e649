package config

type validator struct {
	cfg      *Config
	src      *source
	problems Problems
}

func (v *validator) all() {}
