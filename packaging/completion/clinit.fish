# fish completion of clinit(8)

set -g __cltab_awk (status dirname)/../../cltab2systemd/cltab-words.awk

# The value of the first of some options that the command line has, the table by default.
function __cltab_table
    set -l given (commandline -opc)
    set -l table /etc/cltab
    for i in (seq 2 (count $given))
        switch $given[$i]
            case -c --cltab --table
                set -q given[(math $i + 1)]; and set table $given[(math $i + 1)]
            case '--cltab=*' '--table=*'
                set table (string replace -r '^[^=]*=' '' -- $given[$i])
        end
    end
    string replace -r '^~/' "$HOME/" -- $table
end

# The words that are no options or values of options.
function __cltab_arguments
    set -l given (commandline -opc)
    set -l value 0
    for word in $given[2..-1]
        if test $value = 1
            set value 0
            continue
        end
        switch $word
            case -c --cltab -s --socket --clstat --timeout --table --from --format -o --output -g --group --level
                set value 1
            case '-*'
            case '*'
                echo -- $word
        end
    end
end

# The groups of a table, or the levels of one of its groups: TABLE [GROUP].
function __cltab_words
    if test -f "$argv[1]" -a -r "$argv[1]"
        CLTAB_GROUP="$argv[2]" LC_ALL=C command awk -F: -f $__cltab_awk <$argv[1] 2>/dev/null
    end
end

function __clinit_words
    set -l given (__cltab_arguments)
    switch (count $given)
        case 0
            __cltab_words (__cltab_table)
            # A level alone is of the group that is named like this host.
            __cltab_words (__cltab_table) $hostname
        case 1
            __cltab_words (__cltab_table) $given[1]
    end
end

complete -c clinit -f -k -a '(__clinit_words)'
complete -c clinit -s d -l daemon -d 'Run the daemon in the foreground'
complete -c clinit -s k -l halt -d 'Stop all groups gracefully, then the daemon'
complete -c clinit -s v -l status -d 'Print status afterwards'
complete -c clinit -s w -l wait -d 'Wait until the group has settled'
complete -c clinit -l strict -d 'Refuse a level that no entry names'
complete -c clinit -l timeout -x -d 'Wait at most so many seconds'
complete -c clinit -s c -l cltab -r -F -d 'The table'
complete -c clinit -s s -l socket -r -F -d 'The daemon\'s socket'
complete -c clinit -l clstat -r -F -d 'The status file'
complete -c clinit -l version -d 'Show the version'
complete -c clinit -s h -l help -d 'Show help'
