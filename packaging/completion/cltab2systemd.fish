# fish completion of cltab2systemd(8)

# What the programs have in common.
source (status dirname)/clinit.fish

# begin commands: written by `make generated`
complete -c cltab2systemd -n '__cltab_is cltab2systemd' -f
complete -c cltab2systemd -n '__cltab_is cltab2systemd' -a check -d 'Report everything that is wrong with tables, and what probably is'
complete -c cltab2systemd -n '__cltab_is cltab2systemd' -a compile -d 'Write the units that a table stands for into a directory'
complete -c cltab2systemd -n '__cltab_is cltab2systemd' -a diff -d 'Tell what a table changes'
complete -c cltab2systemd -n '__cltab_is cltab2systemd' -a explain -d 'Explain step by step what clinit GROUP LEVEL does'
complete -c cltab2systemd -n '__cltab_is cltab2systemd' -a graph -d 'Print a table as a graph, for dot -Tsvg of Graphviz'
complete -c cltab2systemd -n '__cltab_is cltab2systemd' -a import-inittab -d 'Turn an inittab (FILE, or - for the standard input) into a table with one group'
complete -c cltab2systemd -n '__cltab_is cltab2systemd' -a show -d 'Show what a table says'
complete -c cltab2systemd -n '__cltab_is cltab2systemd' -l version -d 'Show the version and exit'
complete -c cltab2systemd -n '__cltab_is cltab2systemd' -s h -l help -d 'Show a short help and exit'
complete -c cltab2systemd -n '__cltab_is cltab2systemd check' -l strict -d 'Warnings count as errors do'
complete -c cltab2systemd -n '__cltab_is cltab2systemd check' -l format -x -a 'text json' -d 'For a person, or for a program'
complete -c cltab2systemd -n '__cltab_is cltab2systemd check' -s h -l help -d 'Show a short help and exit'
complete -c cltab2systemd -n '__cltab_is cltab2systemd compile' -s o -l output -x -k -a '(__cltab_value cltab2systemd @directories)' -d 'Where the units go'
complete -c cltab2systemd -n '__cltab_is cltab2systemd compile' -s h -l help -d 'Show a short help and exit'
complete -c cltab2systemd -n '__cltab_is cltab2systemd diff' -s c -l cltab -r -F -d 'The daemon\'s table'
complete -c cltab2systemd -n '__cltab_is cltab2systemd diff' -s s -l socket -r -F -d 'The daemon\'s socket'
complete -c cltab2systemd -n '__cltab_is cltab2systemd diff' -l format -x -a 'text json' -d 'For a person, or for a program'
complete -c cltab2systemd -n '__cltab_is cltab2systemd diff' -s h -l help -d 'Show a short help and exit'
complete -c cltab2systemd -n '__cltab_is cltab2systemd explain' -f -k -a '(__cltab_argument cltab2systemd "@groups" "@levels:0")'
complete -c cltab2systemd -n '__cltab_is cltab2systemd explain' -l from -x -k -a '(__cltab_value cltab2systemd @levels:0)' -d 'The level that the group comes from'
complete -c cltab2systemd -n '__cltab_is cltab2systemd explain' -l table -r -F -d 'The table, if it is not the daemon\'s'
complete -c cltab2systemd -n '__cltab_is cltab2systemd explain' -s c -l cltab -r -F -d 'The daemon\'s table'
complete -c cltab2systemd -n '__cltab_is cltab2systemd explain' -s s -l socket -r -F -d 'The daemon\'s socket'
complete -c cltab2systemd -n '__cltab_is cltab2systemd explain' -l format -x -a 'text json' -d 'For a person, or for a program'
complete -c cltab2systemd -n '__cltab_is cltab2systemd explain' -s h -l help -d 'Show a short help and exit'
complete -c cltab2systemd -n '__cltab_is cltab2systemd graph' -f -k -a '(__cltab_argument cltab2systemd "@files" "@groups:0+")'
complete -c cltab2systemd -n '__cltab_is cltab2systemd graph' -s h -l help -d 'Show a short help and exit'
complete -c cltab2systemd -n '__cltab_is cltab2systemd import-inittab' -s g -l group -x -d 'The group that the entries get'
complete -c cltab2systemd -n '__cltab_is cltab2systemd import-inittab' -l format -x -a 'auto sysv busybox aix' -d 'Whose inittab it is'
complete -c cltab2systemd -n '__cltab_is cltab2systemd import-inittab' -l level -x -d 'The level of all entries if it is BusyBox\'s, which has no runlevels'
complete -c cltab2systemd -n '__cltab_is cltab2systemd import-inittab' -s o -l output -r -F -d 'Where the table goes, instead of the standard output'
complete -c cltab2systemd -n '__cltab_is cltab2systemd import-inittab' -s h -l help -d 'Show a short help and exit'
complete -c cltab2systemd -n '__cltab_is cltab2systemd show' -l units -d 'Show the systemd unit of each group, level and entry instead'
complete -c cltab2systemd -n '__cltab_is cltab2systemd show' -l format -x -a 'text json' -d 'For a person, or for a program'
complete -c cltab2systemd -n '__cltab_is cltab2systemd show' -s h -l help -d 'Show a short help and exit'
# end commands
