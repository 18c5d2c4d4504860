# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # what is set here is used elsewhere, and back
#
# What the scripts in contrib share: messages, installing what is missing, and building.
# To be sourced by a script that set $prog to its name and $top to the root of the tree.

# What it takes to build, to run the demonstration, to run the tests, to soak mounts and heaps, and
# to run every check.
packages_build='gcc libc6-dev meson ninja-build pkgconf libfuse3-dev libcap-ng-dev uthash-dev
	libseccomp-dev libsystemd-dev'
packages_demo="$packages_build python3 xxd attr"
packages_test="$packages_demo fuse3 g++ libcmocka-dev libboost-dev mandoc
	perl-base postgresql scdoc tar default-jdk-headless golang-go nodejs rustc"
packages_debian="$packages_build build-essential debhelper dh-python libcmocka-dev python3 scdoc"
packages_soak="$packages_demo g++ libcmocka-dev fio stress-ng"
packages_heap="$packages_build libcmocka-dev"
packages_check="$packages_test $packages_debian $packages_soak abigail-tools clang clang-format
	clang-tidy fish libclang-rt-dev lintian mypy shellcheck systemd valgrind zsh"
packages_bench="$packages_build bindfs python3 gnuplot-nox"

say()
{
	printf '%s\n' "$*"
}

die()
{
	printf '%s: %s\n' "$prog" "$*" >&2
	exit 1
}

# Succeeds on Debian 12 and everything later, testing and unstable (without a number) included.
is_known_debian()
(
	ID=
	VERSION_ID=
	# shellcheck source=/dev/null
	. /etc/os-release 2>/dev/null || return 1
	[ "$ID" = debian ] && [ "${VERSION_ID:-99}" -ge 12 ] 2>/dev/null
)

# Prints those of the packages $@ that are not installed.
missing_packages()
{
	for package; do
		dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null |
			grep -q ' installed$' || printf '%s ' "$package"
	done
}

# Shows the last line of input on a terminal, and elsewhere one every five seconds.
show_last_line()
{
	local line shown=$((SECONDS - 5))
	while IFS= read -r line; do
		if [ -t 1 ]; then
			printf '\r\033[K%.78s' "$line"
		elif [ $((SECONDS - shown)) -ge 5 ]; then
			printf '  %.76s\n' "$line"
			shown=$SECONDS
		fi
	done
	[ ! -t 1 ] || printf '\r\033[K'
}

# Runs command $2..., writes its output to file $1, and shows how far it is.
with_progress()
(
	set -o pipefail
	log=$1
	shift
	"$@" </dev/null | tee "$log" | show_last_line
)

# Installs the packages $@. Of a server only its programs are wanted, for a test that starts it
# itself: PostgreSQL would make itself a cluster that starts with the machine.
apt_install()
{
	no_cluster=
	case " $* " in
	*' postgresql '*)
		no_cluster=/etc/postgresql-common/createcluster.d/shmfs-check.conf
		mkdir -p "${no_cluster%/*}"
		say 'create_main_cluster = off' >"$no_cluster"
		;;
	esac
	status=0
	with_progress /dev/null apt-get install -q -y --no-install-recommends "$@" || status=$?
	[ -z "$no_cluster" ] || rm -f "$no_cluster"
	return "$status"
}

# Installs those of the packages $@ that are missing, or says what to install and exits 1.
# Asks nothing, and touches the network only if something is missing.
install_missing()
{
	is_known_debian ||
		die "only Debian 12 and later are known here; on this system, install what" \
			"corresponds to these packages of Debian, and build with meson:" "$@"
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	[ "$(id -u)" -eq 0 ] || die "missing packages; as root: apt-get install $missing"
	say "installing: $missing"
	export DEBIAN_FRONTEND=noninteractive
	# An index that cannot be refreshed may still do; what matters is the install.
	with_progress /dev/null apt-get update -q ||
		say 'warning: apt-get update failed, going on with the package index as it is'
	# shellcheck disable=SC2086 # a list of words
	apt_install $missing ||
		die "apt-get could not install: $missing"
}

# Configures build folder $1, new or used before, with meson options $2...: one that meson
# does not take as it is (interrupted, moved, of another version) is made anew.
configure_build()
{
	build=$1
	shift
	if [ -f "$build/build.ninja" ] &&
		meson setup --reconfigure "$build" "$top" "$@" >"$build/setup.log" 2>&1; then
		return 0
	fi
	rm -rf "$build"
	mkdir -p "$build"
	meson setup "$build" "$top" "$@" >"$build/setup.log" 2>&1 && return 0
	tail -n 20 "$build/setup.log" >&2
	return 1
}

# Builds $2... of build folder $1, or all and the tests, too; the compiler's words are kept in its
# build.log.
compile_build()
{
	build=$1
	shift
	[ $# -gt 0 ] || set -- all meson-test-prereq
	with_progress "$build/build.log" ninja -C "$build" "$@" && return 0
	tail -n 40 "$build/build.log" >&2
	return 1
}
