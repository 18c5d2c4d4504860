# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # $cache, $prog and $top are set by who sources it
#
# Debian suites in folders: making them, and running in them with mount, process and IPC
# namespaces of their own, so that nothing stays mounted or running, whatever happens.

# Makes chroot $1 of suite $2, unless there is one. Under its own name it is complete.
bootstrap()
{
	[ ! -x "$1/usr/bin/apt-get" ] || return 0
	say "$2: debootstrap into $1"
	rm -rf "$1" "$1.new"
	debootstrap --variant=minbase "$2" "$1.new" ${MIRROR:+"$MIRROR"} >"$cache/$2.log" 2>&1 ||
		die "debootstrap $2 failed, see $cache/$2.log"
	mv "$1.new" "$1"
}

# Brings the tree as it is, without what was built, into chroot $1.
copy_tree()
{
	mkdir -p "$1/shmfs"
	find "$1/shmfs" -mindepth 1 -maxdepth 1 ! -name 'build*' -exec rm -rf {} +
	tar -C "$top" --exclude=./.git --exclude='./build*' -cf - . | tar -C "$1/shmfs" -xf -
}

# What runs in the new namespaces, with chroot $1 and a command: a /proc of its own, the devices
# that builds and tests use, and the folder by which a test that runs out of time aborts its
# connection. It becomes the root file system, since what is only a chroot has no user namespaces.
# With $lower, that folder is the chroot, and what is written goes to $1; with $cgroup, there are
# control groups.
# shellcheck disable=SC2016 # expanded inside
inside='
	root=$1
	shift
	if [ -n "${lower-}" ]; then
		mount -t overlay -o "lowerdir=$lower,upperdir=$root,workdir=$root.work" \
			overlay "$root"
	else
		mount --bind "$root" "$root"
	fi
	[ ! -e /etc/resolv.conf ] || cp -L /etc/resolv.conf "$root/etc/resolv.conf"
	mount -t proc proc "$root/proc"
	mount -t sysfs sysfs "$root/sys"
	mount -t fusectl fusectl "$root/sys/fs/fuse/connections" || true
	[ -z "${cgroup-}" ] || mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
	mount -t tmpfs -o mode=755 tmpfs "$root/dev"
	for device in null zero full random urandom tty fuse; do
		: >"$root/dev/$device"
		mount --bind "/dev/$device" "$root/dev/$device"
	done
	ln -s /proc/self/fd "$root/dev/fd"
	mkdir "$root/dev/pts" "$root/dev/shm"
	mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
	ln -s pts/ptmx "$root/dev/ptmx"
	mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
	mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
	cd "$root"
	pivot_root . mnt
	exec env -u TMPDIR HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		chroot . sh -euc "umount -l /mnt; exec \"\$@\"" - "$@"
'

# Runs command $2... in chroot $1, see above; with $cgroup, in namespaces that systemd takes for a
# machine.
run_inside()
{
	# shellcheck disable=SC2086 # flags are words
	unshare -m -i -p ${cgroup:+-C -n -u} -f --kill-child --mount-proc \
		sh -euc "$inside" - "$@"
}
