package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"servicelink/config"
	"servicelink/connectors"
)

// Limits of the exporter.
const (
	stopTimeout = 5 * time.Second // for what is left at the end
	defaultPath = "/v1/traces"    // of OTLP over HTTP
)

// Options is what the engine lends a Tracer.
type Options struct {
	Version  string
	Instance string
	Log      *slog.Logger
	// Port gives the Port of a channel at the core.
	Port func(channel string) string
}

// Tracer follows messages. A nil Tracer follows none and costs nothing.
type Tracer struct {
	cfg      config.Tracing
	opts     Options
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer

	// arriving is the sentence of the core that is being handed to the engine.
	arriving atomic.Pointer[arrival]

	mu       sync.Mutex
	messages map[key]*message
	rows     map[int64]*message // by the journal's sequence
	done     confirmable
}

// New makes a Tracer that does nothing before Start; nil without an endpoint.
func New(cfg config.Tracing, opts Options) *Tracer {
	if cfg.Endpoint == "" {
		return nil
	}
	return &Tracer{cfg: cfg, opts: opts, messages: map[key]*message{}, rows: map[int64]*message{}}
}

// Start begins to export. It connects to nothing yet.
func (t *Tracer) Start() error {
	if t == nil {
		return nil
	}
	target, err := url.Parse(t.cfg.Endpoint)
	if err != nil {
		return errors.New("tracing: the endpoint is no URL") // checked with the configuration
	}
	if strings.Trim(target.Path, "/") == "" {
		target.Path = defaultPath
	}
	headers := make(map[string]string, len(t.cfg.Headers))
	for name, value := range t.cfg.Headers {
		headers[name] = value.Reveal()
	}
	exporter, err := otlptrace.New(context.Background(), newClient(target.String(), headers))
	if err != nil {
		return fmt.Errorf("tracing: %w", err)
	}
	t.start(sdktrace.WithBatcher(&reporter{SpanExporter: exporter, log: t.opts.Log}))
	return nil
}

func (t *Tracer) start(export sdktrace.TracerProviderOption) {
	t.provider = sdktrace.NewTracerProvider(export,
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(t.cfg.Sample))),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", t.cfg.Service),
			attribute.String("service.version", t.opts.Version),
			attribute.String("service.instance.id", t.opts.Instance),
		)))
	t.tracer = t.provider.Tracer("servicelink/gateway")
}

// stop exports what is left.
func (t *Tracer) stop() error {
	if t.provider == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.opts.Log.Warn("traces: the last were not exported", "error", err.Error())
	}
	return nil // no reason to call a stop a failure
}

// reporter logs when exporting begins to fail, and when it works again.
type reporter struct {
	sdktrace.SpanExporter
	log     *slog.Logger
	failing bool // ExportSpans is never called beside itself
}

func (r *reporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := r.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !r.failing:
		r.log.Warn("traces: cannot be exported, and are dropped", "spans", len(spans), "error", err.Error())
	case err == nil && r.failing:
		r.log.Info("traces: exported again")
	}
	r.failing = err != nil
	return nil // told: OpenTelemetry would print it
}

// Deliver is how a way in hands events over.
type Deliver = func(ctx context.Context, events []connectors.Event) error

// Webhook makes a span of every hand-over of a webhook's events.
func (t *Tracer) Webhook(channel, network string, next Deliver) Deliver {
	if t == nil {
		return next
	}
	return func(ctx context.Context, events []connectors.Event) error {
		ctx, span := t.tracer.Start(ctx, "webhook", trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
			attribute.String(attrChannel, channel), attribute.String(attrNetwork, network), attribute.Int(attrEvents, len(events))))
		err := next(ctx, events)
		end(span, outcomeOf(err), "")
		return err
	}
}

func outcomeOf(err error) string {
	if err != nil {
		return "not_taken"
	}
	return "taken"
}
