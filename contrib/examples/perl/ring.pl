# SPDX-License-Identifier: MIT
#
# Sends texts through a ring in a file of the mount, or receives them (../README.md).
#
#	perl ring.pl send FILE TEXT...
#	perl ring.pl receive FILE COUNT
#
# Perl's core cannot map a file to be written. Reading and writing it reaches the same
# memory, in both modes of the mount, and every call is seen before the next one.
# (File::Map of CPAN maps; the layer :mmap of PerlIO only reads.)
use strict;
use warnings;
use Fcntl qw(O_RDWR O_CREAT SEEK_SET);

use constant {
    SIZE     => 4096,
    SLOTS    => 15,
    SLOT     => 256,
    TEXT_MAX => 252,
    VERSION  => 0,
    HEAD     => 64,
    TAIL     => 128,
};

my ($verb, $file, @words) = @ARGV;
my $known = @words && ($verb eq 'send' || $verb eq 'receive' && @words == 1);
if (!$known) {
    warn "usage: ring send FILE TEXT... | ring receive FILE COUNT\n";
    exit 2;
}

sub fail
{
    warn "ring: @_\n";
    exit 1;
}

# Without buffers: a buffer would keep what others are to see.
sub get
{
    my ($at, $length) = @_;
    my $bytes = '';

    sysseek RING, $at, SEEK_SET or fail("$file: $!");
    defined sysread RING, $bytes, $length or fail("$file: $!");
    return $bytes;
}

sub put
{
    my ($at, $bytes) = @_;

    sysseek RING, $at, SEEK_SET or fail("$file: $!");
    defined syswrite RING, $bytes or fail("$file: $!");
}

# Of the words here only one byte ever changes, so they are never half there.
sub load { return unpack 'V', get($_[0], 4) }
sub store { put($_[0], pack 'V', $_[1]) }

# Nothing wakes us; a millisecond is soon enough.
sub nap { select undef, undef, undef, 0.001 }

sub send_text
{
    my ($text) = @_;
    my $head = load(HEAD);
    my $next = ($head + 1) % SLOTS;

    nap() while load(TAIL) == $next;    # full
    put(SLOT * (1 + $head), pack('V', length $text) . $text);
    store(HEAD, $next);                 # last: who sees it sees the text
}

sub receive_text
{
    my $tail = load(TAIL);

    nap() while load(HEAD) == $tail;
    my $text = unpack 'V/a', get(SLOT * (1 + $tail), SLOT);
    store(TAIL, ($tail + 1) % SLOTS);
    return $text;
}

fail('a text has at most 252 bytes') if grep { length > TEXT_MAX } @words;
sysopen RING, $file, O_RDWR | O_CREAT, 0644 or fail("$file: $!");
# A new file is empty, and a ring of zeros is an empty ring: it takes no creator.
truncate RING, SIZE or fail("$file: $!") if -s RING == 0;
fail("$file is no ring of version 1") if -s RING != SIZE || load(VERSION) > 1;
store(VERSION, 1);

$| = 1;
if ($verb eq 'send') {
    send_text($_) foreach @words;
} else {
    print receive_text(), "\n" foreach 1 .. $words[0];
}
