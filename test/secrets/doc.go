// Package secrets holds the gateway to its word that nothing a customer or an
// agent wrote, no address and no secret stands where operators and strangers
// look: logs, metrics, health, the admin API, answers to webhooks, errors.
package secrets
