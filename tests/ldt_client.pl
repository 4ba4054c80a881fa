#!/usr/bin/perl
# A client as programs of Cluster::Init's time are: IPC::LDT's object mode over a UNIX socket, with core modules only.
#
#   perl ldt_client.pl SOCKET GROUP LEVEL [int]
#
# Asks for the level, prints the reply's msg. With "int", a level that looks like a number is sent as a number,
# as tell("foo", 1) does. Exit status: 0 there was a reply, 1 there was none, 2 usage.
use strict;
use warnings;
use IO::Socket::UNIX;
use Scalar::Util qw(looks_like_number);
use Socket qw(SOCK_STREAM);
use Storable qw(nfreeze thaw);

@ARGV == 3 || @ARGV == 4 && $ARGV[3] eq 'int' or do { print STDERR "usage: $0 SOCKET GROUP LEVEL [int]\n"; exit 2 };
my ($path, $group, $level, $int) = @ARGV;
$level += 0 if $int && looks_like_number($level);

sub fail { print STDERR "$0: $path: @_\n"; exit 1 }

$SIG{PIPE} = 'IGNORE';
my $socket = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $path) or fail($!);
$socket->autoflush(1);

my $request = nfreeze([{ group => $group, level => $level }]);
print {$socket} sprintf('%.8d', length $request), $request or fail("write: $!");

sub receive {
    my ($size) = @_;
    my $data = '';
    while (length $data < $size) {
        my $got = read $socket, $data, $size - length $data, length $data;
        defined $got or fail("read: $!");
        $got or fail('the connection ended after ' . length($data) . " of $size bytes");
    }
    return $data;
}

my $digits = receive(8);
$digits =~ /^[0-9]{8}\z/ or fail('no length');
my $reply = eval { thaw(receive($digits)) } or fail('not a frozen reply');
ref $reply eq 'ARRAY' && @$reply == 1 && ref $reply->[0] eq 'HASH' or fail('not a reply');

my $msg = $reply->[0]{msg};
$msg = '' unless defined $msg;
utf8::encode($msg) if utf8::is_utf8($msg);
print "$msg\n";
