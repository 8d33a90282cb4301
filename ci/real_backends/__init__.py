"""Runs the binary's Action-JSON against real backends and compares what they hold with what was recorded.

Usage: python -m real_backends BINARY FOLDER [--quick], in an environment with grpcio, opentelemetry-proto, rotel and
datadog-serverless-compat, and with this package's parent on the path; ci/real-backends.sh sees to both. With --quick,
one short run asks those backends that are installed, and names the others.

The measure is neither our table nor our page but an HTTP server of this package that counts what it answers: requests
by series and outcome, and bytes. Latencies, which only the load engine knows, are compared among the backends: bucket
by bucket, and their sums. What the table says has to agree as well.

Every whole run has all four exporters on. The runs differ in the runtime, in InfluxDB's transport, in the OTLP receiver
and in what OTLP looks like: compressed, over HTTP, delta, exponential.
"""
