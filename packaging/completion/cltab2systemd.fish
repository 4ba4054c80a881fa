# fish completion of cltab2systemd(8)

# What the two have in common.
source (status dirname)/clinit.fish

function __cltab2systemd_is
    set -l given (__cltab_arguments)
    test "$given[1]" = "$argv[1]"
end

function __cltab2systemd_words
    set -l given (__cltab_arguments)
    switch "$given[1]:"(count $given)
        case explain:1
            __cltab_words (__cltab_table)
        case explain:2
            __cltab_words (__cltab_table) $given[2]
        case graph:1
            __fish_complete_path (commandline -ct)
        case 'graph:*'
            __cltab_words $given[2]
    end
end

function __cltab2systemd_levels
    set -l given (__cltab_arguments)
    test (count $given) -ge 2; and __cltab_words (__cltab_table) $given[2]
end

set -l first 'test (count (__cltab_arguments)) = 0'
complete -c cltab2systemd -n $first -f
complete -c cltab2systemd -n $first -a check -d 'Report everything that is wrong with tables'
complete -c cltab2systemd -n $first -a compile -d 'Write the units that a table stands for'
complete -c cltab2systemd -n $first -a diff -d 'Tell what a table changes'
complete -c cltab2systemd -n $first -a explain -d 'Explain what clinit GROUP LEVEL does'
complete -c cltab2systemd -n $first -a graph -d 'Print a table as a graph'
complete -c cltab2systemd -n $first -a import-inittab -d 'Turn an inittab into a table'
complete -c cltab2systemd -n $first -a show -d 'Show what a table says'
complete -c cltab2systemd -n $first -l version -d 'Show the version'
complete -c cltab2systemd -s h -l help -d 'Show help'

for command in explain graph
    complete -c cltab2systemd -n "__cltab2systemd_is $command" -f -k -a '(__cltab2systemd_words)'
end
complete -c cltab2systemd -n '__cltab2systemd_is check' -l strict -d 'Warnings count as errors do'
for command in check diff explain show
    complete -c cltab2systemd -n "__cltab2systemd_is $command" -l format -x -a 'text json' -d 'Form of the output'
end
for command in diff explain
    complete -c cltab2systemd -n "__cltab2systemd_is $command" -s c -l cltab -r -F -d 'The daemon\'s table'
    complete -c cltab2systemd -n "__cltab2systemd_is $command" -s s -l socket -r -F -d 'The daemon\'s socket'
end
complete -c cltab2systemd -n '__cltab2systemd_is explain' -l from -x -a '(__cltab2systemd_levels)' -d 'The old level'
complete -c cltab2systemd -n '__cltab2systemd_is explain' -l table -r -F -d 'The table, if it is not the daemon\'s'
for command in compile import-inittab
    complete -c cltab2systemd -n "__cltab2systemd_is $command" -s o -l output -r -F -d 'Where it goes'
end
complete -c cltab2systemd -n '__cltab2systemd_is import-inittab' -l format -x -a 'auto sysv busybox aix' -d 'Whose inittab'
complete -c cltab2systemd -n '__cltab2systemd_is import-inittab' -s g -l group -x -d 'The group of the entries'
complete -c cltab2systemd -n '__cltab2systemd_is import-inittab' -l level -x -d 'The level of all entries'
