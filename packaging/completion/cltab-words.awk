# The groups of a table; its tags if CLTAB_TAGS is in the environment; or the levels that the entries of a group name if
# CLTAB_GROUP is; one a line, in the order of the table. cltab(5) has the grammar. The table, and its
# fragments behind it, are the standard input. To be run as: LC_ALL=C awk -F: -f cltab-words.awk

BEGIN { group = ENVIRON["CLTAB_GROUP"]; tags = ENVIRON["CLTAB_TAGS"] }

function say(word) {
	if (word != "" && !(word in said)) {
		said[word]
		print word
	}
}

# The levels that a group declares, which no entry names.
group != "" && index($0, ":::levels." group ":") == 1 {
	declared = substr($0, length(":::levels." group ":") + 1)
	sub(/\r$/, "", declared)
	next
}

# An entry has five fields; '#' starts a comment, ':::' a setting. Blanks and control characters are in no name.
/^#/ || /^:::/ || NF < 5 { next }
$1 == "" || $1 $3 ~ /[\001-\040\177]/ { next }

tags != "" { if ($2 !~ /[\001-\040\177]/) say($2); next }
group == "" { say($1); next }

# A level is one of the parts of a field with commas, else the whole field or one of its characters, which are UTF-8.
# (A whole field with commas is a level too, but not one that anybody asks for.)
$1 == group {
	if ($3 ~ /,/) {
		count = split($3, parts, ",")
		for (i = 1; i <= count; i++) say(parts[i])
	} else {
		say($3)
		for (rest = $3; rest != ""; rest = substr(rest, RLENGTH + 1)) {
			if (!match(rest, /^[\300-\377][\200-\277]+/)) RLENGTH = 1
			say(substr(rest, 1, RLENGTH))
		}
	}
}

END {
	if (declared !~ /[\001-\040\177]/) {
		count = split(declared, parts, ",")
		for (i = 1; i <= count; i++) say(parts[i])
	}
}
