# fish completion of clinitctl(8)

# What the programs have in common.
source (status dirname)/clinit.fish

# begin commands: written by `make generated`
complete -c clinitctl -n '__cltab_is clinitctl' -f
complete -c clinitctl -n '__cltab_is clinitctl' -a log -d 'Show what the entries of groups write, in the order of time, each line with its tag'
complete -c clinitctl -n '__cltab_is clinitctl' -a metrics -d 'Print how groups and entries are in Prometheus\' text format, for node_exporter\'s textfile collector'
complete -c clinitctl -n '__cltab_is clinitctl' -a restart -d 'Restart entries by their tags'
complete -c clinitctl -n '__cltab_is clinitctl' -a status -d 'Show how groups and their entries are, what is wrong first'
complete -c clinitctl -n '__cltab_is clinitctl' -a stop -d 'Stop entries by their tags, all at once, and wait until they are gone'
complete -c clinitctl -n '__cltab_is clinitctl' -l version -d 'Show the version and exit'
complete -c clinitctl -n '__cltab_is clinitctl' -s h -l help -d 'Show a short help and exit'
complete -c clinitctl -n '__cltab_is clinitctl log' -f -k -a '(__cltab_argument clinitctl "@groups|@tags+")'
complete -c clinitctl -n '__cltab_is clinitctl log' -s f -l follow -d 'Go on with what is written from now on'
complete -c clinitctl -n '__cltab_is clinitctl log' -s n -l lines -x -d 'The last N lines, or all'
complete -c clinitctl -n '__cltab_is clinitctl log' -s S -l since -x -d 'Lines from then on, as journalctl takes it'
complete -c clinitctl -n '__cltab_is clinitctl log' -s U -l until -x -d 'Lines up to then, likewise'
complete -c clinitctl -n '__cltab_is clinitctl log' -s b -l boot -d 'Lines of this boot only'
complete -c clinitctl -n '__cltab_is clinitctl log' -l raw -d 'Only what the entries wrote, byte for byte, without times and tags'
complete -c clinitctl -n '__cltab_is clinitctl log' -s c -l cltab -r -F -d 'The daemon\'s table'
complete -c clinitctl -n '__cltab_is clinitctl log' -s s -l socket -r -F -d 'The daemon\'s socket'
complete -c clinitctl -n '__cltab_is clinitctl log' -s h -l help -d 'Show a short help and exit'
complete -c clinitctl -n '__cltab_is clinitctl metrics' -f
complete -c clinitctl -n '__cltab_is clinitctl metrics' -s o -l output -r -F -d 'Write to this file, whole, and only if all went well'
complete -c clinitctl -n '__cltab_is clinitctl metrics' -s c -l cltab -r -F -d 'The daemon\'s table'
complete -c clinitctl -n '__cltab_is clinitctl metrics' -s s -l socket -r -F -d 'The daemon\'s socket'
complete -c clinitctl -n '__cltab_is clinitctl metrics' -l clstat -r -F -d 'The status file'
complete -c clinitctl -n '__cltab_is clinitctl metrics' -s h -l help -d 'Show a short help and exit'
complete -c clinitctl -n '__cltab_is clinitctl restart' -f -k -a '(__cltab_argument clinitctl "@tags+")'
complete -c clinitctl -n '__cltab_is clinitctl restart' -s c -l cltab -r -F -d 'The daemon\'s table'
complete -c clinitctl -n '__cltab_is clinitctl restart' -s s -l socket -r -F -d 'The daemon\'s socket'
complete -c clinitctl -n '__cltab_is clinitctl restart' -s h -l help -d 'Show a short help and exit'
complete -c clinitctl -n '__cltab_is clinitctl status' -f -k -a '(__cltab_argument clinitctl "@groups+")'
complete -c clinitctl -n '__cltab_is clinitctl status' -s a -l all -d 'Show entries too that the level does not have'
complete -c clinitctl -n '__cltab_is clinitctl status' -l json -d 'For a program'
complete -c clinitctl -n '__cltab_is clinitctl status' -s c -l cltab -r -F -d 'The daemon\'s table'
complete -c clinitctl -n '__cltab_is clinitctl status' -s s -l socket -r -F -d 'The daemon\'s socket'
complete -c clinitctl -n '__cltab_is clinitctl status' -l clstat -r -F -d 'The status file'
complete -c clinitctl -n '__cltab_is clinitctl status' -s h -l help -d 'Show a short help and exit'
complete -c clinitctl -n '__cltab_is clinitctl stop' -f -k -a '(__cltab_argument clinitctl "@tags+")'
complete -c clinitctl -n '__cltab_is clinitctl stop' -s c -l cltab -r -F -d 'The daemon\'s table'
complete -c clinitctl -n '__cltab_is clinitctl stop' -s s -l socket -r -F -d 'The daemon\'s socket'
complete -c clinitctl -n '__cltab_is clinitctl stop' -s h -l help -d 'Show a short help and exit'
# end commands
