# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# bash completion for shmfs(1)

# Completes the last of the mount options, which are separated by commas, in $1.
_shmfs_mount_options()
{
	local options='kind= shm_dir= ipcns= passthrough= coherence= restart= reserve poll=
		ro rw exec noexec remount suid nosuid dev nodev sync async dirsync atime noatime
		allow_other allow_root auto_unmount default_permissions max_read= fsname= subtype=
		defaults auto noauto nofail user nouser users owner group _netdev'
	local before='' last=${1##*,}

	[ "$last" = "$1" ] || before=${1%,*},
	case $last in
	kind=*) options='kind=posix kind=sysv kind=all' ;;
	passthrough=*) options='passthrough=auto passthrough=require passthrough=off' ;;
	coherence=*) options='coherence=strict coherence=notify' ;;
	restart=*) options='restart=crash restart=no' ;;
	shm_dir=*)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -P "${before}shm_dir=" -- "${last#*=}")
		return
		;;
	ipcns=*)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -P "${before}ipcns=" -- "${last#*=}")
		return
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$options" -P "$before" -- "$last")
}

_shmfs()
{
	# The line is split at "=", which readline takes for the end of a word; options are not.
	local line=${COMP_LINE:0:COMP_POINT}
	local word=${line##* } previous
	line=${line% *}
	previous=${line##* }

	if [ "$previous" = -o ]; then
		_shmfs_mount_options "$word"
	elif [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '-o -f -d -h --help -V --version' -- "$word")
		return
	else
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		return
	fi
	# A value, a comma, the rest of a path: something may follow.
	compopt -o nospace 2>/dev/null
	# What readline replaces begins after its last "=".
	[ "${word%=*}" = "$word" ] || COMPREPLY=("${COMPREPLY[@]#"${word%=*}="}")
}

complete -F _shmfs shmfs
