# Shared by the scripts beside it; sourced from the repository's root.

# One configuration for everything, so that one build serves the tests, the demo and the benchmarks. Tests reach what
# they test by `package` access, not `@testable`, so release needs no second, testable build (docs/decisions/0002).
build_flags=(--configuration release --explicit-target-dependency-import-check error)

# SwiftPM writes the flags of package traits in hash order; unless that order is fixed, half of all builds compile
# Hummingbird, and everything that imports it, again.
build() { SWIFT_DETERMINISTIC_HASHING=1 swift build "${build_flags[@]}" "$@"; }

# Outside .build, so that a clean build does not need the network for it again.
MESHNODE_CACHE="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/meshnode"
[[ ! -x "$MESHNODE_CACHE/promtool" ]] || export MESHNODE_TEST_PROMTOOL="$MESHNODE_CACHE/promtool"
export MESHNODE_TEST_PYTHON="${MESHNODE_TEST_PYTHON:-$MESHNODE_CACHE/venv/bin/python3}"

# Tests that only compute, some of them for many seconds.
computations='^(MeshCore|MeshSimulation)Tests\.'

# How many tests run at once. Without it all begin together, and those with deadlines starve on two cores.
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=4
