# fish completion of clinit(8), and what clinitctl(8) and cltab2systemd(8) have in common with it

set -g __cltab_awk (status dirname)/../../cltab2systemd/cltab-words.awk

# begin values: written by `make generated`
function __cltab_valued
    switch "$argv"
        case clinit
            string split ' ' -- '--try --timeout --progress -c --cltab -s --socket --clstat'
        case 'clinitctl history'
            string split ' ' -- '-n --lines -S --since -U --until -c --cltab -s --socket'
        case 'clinitctl log'
            string split ' ' -- '-n --lines -S --since -U --until -c --cltab -s --socket'
        case 'clinitctl metrics'
            string split ' ' -- '-o --output -c --cltab -s --socket --clstat'
        case 'clinitctl nodes'
            string split ' ' -- '-w --cib --fanout --timeout --batch --source'
        case 'clinitctl publish'
            string split ' ' -- '-c --cltab -s --socket'
        case 'clinitctl restart'
            string split ' ' -- '--progress -c --cltab -s --socket'
        case 'clinitctl status'
            string split ' ' -- '-c --cltab -s --socket --clstat'
        case 'clinitctl stop'
            string split ' ' -- '--progress -c --cltab -s --socket'
        case 'clinitctl watch'
            string split ' ' -- '-c --cltab -s --socket'
        case 'clinitctl why'
            string split ' ' -- '-c --cltab -s --socket --clstat'
        case 'cltab2systemd check'
            string split ' ' -- '--root --format'
        case 'cltab2systemd compile'
            string split ' ' -- '-o --output'
        case 'cltab2systemd diff'
            string split ' ' -- '--against -c --cltab -s --socket --format'
        case 'cltab2systemd explain'
            string split ' ' -- '--from --table -c --cltab -s --socket --format'
        case 'cltab2systemd import-inittab'
            string split ' ' -- '-g --group --format --level -o --output'
        case 'cltab2systemd pacemaker'
            string split ' ' -- '--format --level'
        case 'cltab2systemd rehearse'
            string split ' ' -- '--group --from --to --real --fail --bind-ro --timeout --memory --tasks -c --cltab -s --socket --format'
        case 'cltab2systemd show'
            string split ' ' -- '--format'
        case 'cltab2systemd tables'
            string split ' ' -- '--format'
    end
end
# end values

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

# The words of a program's command line that are no options or values of options: PROGRAM.
function __cltab_arguments
    set -l given (commandline -opc)
    set -l valued (__cltab_valued $argv[1])
    set -l is_value 0
    set -l is_first 1
    for word in $given[2..-1]
        if test $is_value = 1
            set is_value 0
            continue
        end
        switch $word
            case '-*'
                contains -- $word $valued; and set is_value 1
            case '*'
                echo -- $word
                if test $is_first = 1 -a $argv[1] != clinit
                    set valued (__cltab_valued $argv[1] $word)
                end
                set is_first 0
        end
    end
end

# Whether the command line is of a command or, without one, has none yet: PROGRAM [COMMAND].
function __cltab_is
    set -l given (__cltab_arguments $argv[1])
    test "$given[1]" = "$argv[2]"
end

# The groups of a table, the levels of one of its groups, or with TAGS its tags: TABLE [GROUP [TAGS]].
function __cltab_words
    if test -f "$argv[1]" -a -r "$argv[1]"
        for file in $argv[1] $argv[1].d/*.cltab
            test -f "$file"; and command cat -- $file 2>/dev/null; and echo
        end | CLTAB_GROUP="$argv[2]" CLTAB_TAGS="$argv[3]" LC_ALL=C command awk -F: -f $__cltab_awk 2>/dev/null
    end
end

# What a value can be: PROGRAM and kinds of it, and words, with "|" between.
function __cltab_value
    set -l given (__cltab_arguments $argv[1])
    test $argv[1] != clinit; and set -e given[1]
    for kind in (string split '|' -- $argv[2])
        set -l place (string replace -rf '.*:' '' -- $kind)
        set -l of ''
        test -n "$place"; and set of "$given[$(math $place + 1)]"
        switch $kind
            case @files
                __fish_complete_path (commandline -ct)
            case @directories
                __fish_complete_directories (commandline -ct)
            case @groups
                __cltab_words (__cltab_table)
            case @tags
                __cltab_words (__cltab_table) '' all
            case '@groups:*'
                __cltab_words $of
            case @levels
                # A level alone is of the group that is named like this host.
                __cltab_words (__cltab_table) $hostname
            case '@levels:*'
                test -n "$of"; and __cltab_words (__cltab_table) $of
            case @nothing
            case '*'
                echo -- $kind
        end
    end
end

# What an argument can be: PROGRAM, and what can stand at each place; a "+" at the end of the last repeats it.
function __cltab_argument
    set -l given (__cltab_arguments $argv[1])
    test $argv[1] != clinit; and set -e given[1]
    set -l places $argv[2..-1]
    set -l place $places[(math (count $given) + 1)]
    if test -z "$place"; and string match -q '*+' -- $places[-1]
        set place $places[-1]
    end
    test -n "$place"; and __cltab_value $argv[1] (string trim -r -c + -- $place)
end

# begin commands: written by `make generated`
complete -c clinit -f -k -a '(__cltab_argument clinit "@groups|@levels" "@levels:0")'
complete -c clinit -s d -l daemon -d 'Run the daemon in the foreground'
complete -c clinit -s k -l halt -d 'Stop all groups gracefully, then the daemon'
complete -c clinit -s v -l status -d 'Print status afterwards'
complete -c clinit -s w -l wait -d 'Wait until the group has settled, and print how'
complete -c clinit -l strict -d 'Refuse a level that no entry names'
complete -c clinit -l try -x -d 'Go back to where the group is after so long, unless --keep comes before that'
complete -c clinit -l apply -d 'Have all groups take the table\'s lines, each at its level'
complete -c clinit -l json -d 'Print what --apply has done for a program'
complete -c clinit -l keep -d 'Confirm what --try has begun'
complete -c clinit -l timeout -x -d 'Wait at most so long'
complete -c clinit -l progress -x -a 'auto tty plain none' -d 'How to show progress with --wait or --apply, on the standard error'
complete -c clinit -s c -l cltab -r -F -d 'The table'
complete -c clinit -s s -l socket -r -F -d 'The daemon\'s socket'
complete -c clinit -l clstat -r -F -d 'The status file'
complete -c clinit -l version -d 'Show the version and exit'
complete -c clinit -s h -l help -d 'Show a short help and exit'
# end commands
