# SPDX-License-Identifier: MIT
# fish completion for shmfs(1)

# The mount options that may follow those which are already in the word, after a comma.
function __shmfs_mount_options
    set -l before (string replace -r '[^,]*$' '' -- (commandline -ct))
    set -l last (string replace -r '.*,' '' -- (commandline -ct))
    set -l path (string replace -r '^[a-z_]*=' '' -- $last)
    switch $last
        case 'shm_dir=*'
            printf '%s\n' "$before"shm_dir=(__fish_complete_directories $path)
            return
        case 'ipcns=*'
            printf '%s\n' "$before"ipcns=(__fish_complete_path $path)
            return
    end
    for option in \
        kind=posix\t'POSIX objects' \
        kind=sysv\t'System V segments' \
        kind=all\t'a directory for each kind' \
        shm_dir=\t'directory of the objects' \
        ipcns=\t'IPC namespace of the segments' \
        passthrough=auto\t'pass data straight to the objects where possible' \
        passthrough=require\t'do not mount without passthrough' \
        passthrough=off\t'each read and write goes to the daemon' \
        coherence=strict\t'native changes show at once' \
        coherence=notify\t'names and attributes are cached, native changes show a moment later' \
        restart=crash\t'a daemon that dies is replaced' \
        restart=no\t'the mount ends with its daemon' \
        reserve\t'truncate also allocates memory' \
        poll=\t'longest look for the next request before sleeping' \
        ro\t'read-only' \
        rw\t'for reading and writing' \
        exec\t'allow programs to be executed' \
        noexec\t'do not allow programs to be executed' \
        remount\t'change these of a mount that is there' \
        suid\t'without effect' \
        nosuid\t'always so' \
        dev\t'without effect' \
        nodev\t'always so' \
        sync\t'synchronous updates' \
        async\t'asynchronous updates' \
        dirsync\t'synchronous updates of the directory' \
        atime\t'update times of access' \
        noatime\t'do not update times of access' \
        allow_other\t'open to all users' \
        allow_root\t'open to root, too' \
        auto_unmount\t'unmount also when the daemon is killed' \
        default_permissions\t'let the kernel check permissions, too' \
        max_read=\t'largest size of a read request' \
        fsname=\t'source in the mount table' \
        subtype=\t'type in the mount table' \
        defaults\t'only for fstab' \
        auto\t'only for fstab' \
        noauto\t'only for fstab' \
        nofail\t'only for fstab' \
        user\t'only for fstab' \
        nouser\t'only for fstab' \
        users\t'only for fstab' \
        owner\t'only for fstab' \
        group\t'only for fstab' \
        _netdev\t'only for fstab'
        echo $before$option
    end
end

complete -c shmfs -f -a '(__fish_complete_directories)'
complete -c shmfs -s o -x -a '(__shmfs_mount_options)' -d 'mount options'
complete -c shmfs -s f -d 'stay in the foreground'
complete -c shmfs -s d -d 'show requests, stay in the foreground'
complete -c shmfs -s h -l help -d 'show a summary of the options'
complete -c shmfs -s V -l version -d 'show the version'
