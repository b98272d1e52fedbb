#!/bin/sh
# One check of the tree: scripts/lint.sh NAME; --list names them all.
# Each prints what it found and fails when it found something.
set -eu
cd "$(dirname "$0")/.."

python=${PYTHON:-/usr/bin/python3}
jobs=$(nproc 2>/dev/null || echo 2)
list()
{
	find overlay tools tests contrib -type f "$@" | LC_ALL=C sort
}

check_clang_format()
{
	list -name '*.[ch]' | xargs clang-format --dry-run -Werror
}

# Include paths as the Makefile gives them to files of this folder.
includes()
{
	make --no-print-directory -s includes DIR="$1"
}

# Each file is checked again only when it, a header or the configuration is newer.
check_clang_tidy()
{
	mkdir -p build/tidy
	bad=0
	for folder in overlay/core overlay/store overlay/slapd tools/common tools/provd tools/provctl; do
		flags=$(includes "$folder")
		for file in "$folder"/*.c; do
			[ -f "$file" ] || continue
			stamp=build/tidy/$(echo "$file" | tr / _).ok
			[ -f "$stamp" ] && [ -z "$(find "$file" .clang-tidy overlay tools -name '*.h' -newer "$stamp" -print -quit; find "$file" .clang-tidy -newer "$stamp")" ] && continue
			echo "$file $stamp $flags"
		done
	done >build/tidy/todo
	# shellcheck disable=SC2016 # the inner shell expands it
	xargs -r -P "$jobs" -L 1 sh -c '
		file=$1; stamp=$2; shift 2
		clang-tidy --quiet "$file" -- "$@" >"$stamp.log" 2>&1 && ! grep -q "warning:" "$stamp.log" &&
			: >"$stamp" || { grep -v "warnings generated" "$stamp.log"; exit 1; }
		' tidy <build/tidy/todo || bad=1
	return $bad
}

# autoVariables: slapd's callbacks live on the stack. uninitvar: wrong about arrays filled
# in a loop (the compilers and valgrind see that better). IOWithoutPositioning: a terminal.
check_cppcheck()
{
	cppcheck --quiet --std=c11 --language=c -j "$jobs" --error-exitcode=1 --inline-suppr \
		--enable=warning,performance,portability \
		--suppress=missingInclude --suppress=missingIncludeSystem \
		--suppress=normalCheckLevelMaxBranches --suppress=nullPointerRedundantCheck \
		--suppress=unknownMacro --suppress=autoVariables --suppress=uninitvar \
		--suppress=duplicateAssignExpression --suppress=IOWithoutPositioning \
		--suppress=arrayIndexThenCheck \
		-D__GNUC__=12 -DPROV_VERSION='""' \
		-i build -I overlay/core -I overlay/store -I tools/common overlay tools
}

check_man_pages()
{
	pages=$(find docs -name '*.[158]')
	[ -n "$pages" ] || { echo "no man pages in docs/"; return 1; }
	# shellcheck disable=SC2086 # names without spaces
	mandoc -T lint -W warning $pages
}

# Those without a suffix whose first line names this interpreter.
programs()
{
	list -not -name '*.*' -o -name '*.cron' | while read -r file; do
		case $(head -c 60 "$file" | tr -d '\0' | head -1) in
		'#!'*"$1"*) echo "$file" ;;
		esac
	done
}

check_python()
{
	"$python" -B -c '
import ast, pathlib, sys
for name in sys.argv[1:]:
    ast.parse(pathlib.Path(name).read_text(), name)
' $(list -name '*.py') $(programs python)
}

check_shell()
{
	for script in scripts/*.sh .ci/run $(list -name '*.sh') $(programs sh); do
		[ -f "$script" ] || continue
		case $(head -1 "$script") in
		*bash*) bash -n "$script" ;;
		*) sh -n "$script" ;;
		esac
	done
}

# core includes core only, store core and store, and so on; lmdb.h and slap.h have one home.
check_layers()
{
	bad=0
	allow()
	{
		folder=$1
		shift
		ours=$(find overlay tools -name '*.h' -printf '%f %h\n')
		for file in "$folder"/*.[ch]; do
			[ -f "$file" ] || continue
			for header in $(sed -n 's/^#[ \t]*include "\(.*\)".*/\1/p' "$file"); do
				home=$(echo "$ours" | awk -v h="$header" '$1 == h { print $2 }')
				[ -z "$home" ] && continue
				ok=
				for layer in "$@"; do
					echo "$home" | grep -qx "$layer" && ok=1
				done
				[ -n "$ok" ] || { echo "$file includes \"$header\" of $home"; bad=1; }
			done
		done
	}
	core=overlay/core store=overlay/store common=tools/common
	allow $core $core
	allow $store $core $store
	allow overlay/slapd $core $store overlay/slapd
	allow $common $core $store $common
	allow tools/provd $core $store $common tools/provd
	allow tools/provctl $core $store $common tools/provctl
	only_in()
	{
		pattern=$1
		shift
		found=$(grep -lE "^#[ \t]*include [<\"]$pattern[>\"]" -r overlay tools || true)
		for file in $found; do
			case " $* " in
			*" $file "* | *" $(dirname "$file")/ "*) ;;
			*) echo "$file includes $pattern"; bad=1 ;;
			esac
		done
	}
	only_in 'lmdb\.h' overlay/store/kv.c
	only_in '(slap|slap-config|portable)\.h|back-mdb/.*\.h|ac/.*\.h' overlay/slapd/
	# not in overlay/slapd: see overlay/slapd/random.h
	only_in 'openssl/.*\.h' overlay/store/ tools/common/ tools/provd/
	only_in '(ldap|lber|sasl/.*|curl/.*|csv)\.h' overlay/slapd/ tools/common/ tools/provd/ tools/provctl/
	only_in '(unistd|fcntl|sys/stat|sys/socket|pthread|time)\.h' overlay/store/ overlay/slapd/ \
		tools/common/ tools/provd/ tools/provctl/
	return $bad
}

check_headers_alone()
{
	bad=0
	for folder in overlay/core overlay/store overlay/slapd tools/common tools/provd tools/provctl; do
		flags=$(includes "$folder")
		for header in "$folder"/*.h; do
			[ -f "$header" ] || continue
			# shellcheck disable=SC2086 # flags
			${CC:-cc} $flags -fsyntax-only -x c -include "$header" /dev/null || bad=1
		done
	done
	return $bad
}

check_symbols()
{
	module=build/provision.so
	bad=0
	exported=$(nm -D --defined-only "$module" | awk '{ print $3 }')
	[ "$exported" = init_module ] || { echo "$module exports: $exported"; bad=1; }
	for name in $(nm -D --undefined-only "$module" | awk '$2 ~ /^prov_/ { print $2 }'); do
		echo "$module lacks $name"
		bad=1
	done
	# The store has LMDB inside; overlay/slapd's calls go to back-mdb's copy.
	nm "$module" | grep -q ' t mdb_env_open' || { echo "$module has no LMDB of its own"; bad=1; }
	nm build/store-with-lmdb.o | grep ' [TU] mdb_' && { echo "the store's LMDB is not private"; bad=1; }
	nm -D --undefined-only "$module" | grep -q ' mdb_put' ||
		{ echo "$module does not use back-mdb's LMDB"; bad=1; }
	return $bad
}

# Failpoints are in the tests' build, and in nothing that is shipped.
check_failpoints()
{
	bad=0
	{
		echo prov_failpoint
		sed -n 's/.*PROV_FAILPOINT[_RC]*("\([^"]*\)").*/\1/p' $(list -name '*.c')
	} >build/failpoints.names
	[ "$(wc -l <build/failpoints.names)" -gt 20 ] || { echo "the names of failpoints are not found"; bad=1; }
	make --no-print-directory build/failpoints/provision.so >/dev/null
	grep -aqFf build/failpoints.names build/failpoints/provision.so || { echo "no failpoints in the tests' build"; bad=1; }
	for program in build/provision.so build/provd build/provctl; do
		! grep -aoFf build/failpoints.names "$program" || { echo "$program has failpoints"; bad=1; }
	done
	return $bad
}

# Nothing of the place where it was written.
check_names()
{
	! git grep -nE '(^|[^a-z])/(work|tmp/(spec|ol|pc))(/|\b)' -- . ':!scripts/lint.sh'
}

# Each row of the threat model names tests, and each test is there.
check_threats()
{
	"$python" -B -c '
import pathlib, re, sys
bad, rows = [], 0
for n, line in enumerate(pathlib.Path("docs/threat-model.md").read_text().splitlines(), 1):
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", line)
    if line.startswith("| ") and line.count(" | ") >= 3 and not line.startswith(("| who", "| ---")):
        rows += 1
        named or bad.append(f"row in line {n} names no test")
    for file, test in named:
        path = pathlib.Path("tests/slapd", file)
        if not path.exists() or not re.search(rf"^def {test}\(", path.read_text(), re.M):
            bad.append(f"line {n}: there is no {file}::{test}")
if rows < 20:
    bad.append(f"only {rows} rows are found")
sys.exit("docs/threat-model.md: " + "; ".join(bad) if bad else 0)
'
}

checks="clang_format clang_tidy cppcheck man_pages python shell layers headers_alone symbols failpoints names threats"
case ${1:-} in
--list) echo "$checks" | tr ' ' '\n' ;;
*)
	echo "$checks" | tr ' ' '\n' | grep -qx "${1:-}" || { echo "usage: $0 --list | NAME" >&2; exit 2; }
	"check_$1"
	;;
esac
