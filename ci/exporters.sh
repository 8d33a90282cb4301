# For the other scripts, which source it: the features that bring an exporter each, as a shell has them by default.
exporters=$(sed -n 's/^default = \[\(.*\)\]$/\1/p' shell-tokio/Cargo.toml | tr -d '",')
if [[ $exporters != *prometheus* ]]; then
    echo "ci/exporters.sh: no list of exporters after 'default =' in shell-tokio/Cargo.toml" >&2
    exit 1
fi
