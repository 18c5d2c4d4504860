# SPDX-License-Identifier: MIT
#
# A player (see players.h) in Perl with nothing but its built-in shmget, shmread and shmwrite,
# which attach the segment for each call. NAME is the key; HOW can only be native.
use strict;
use warnings;

use constant {
    IPC_CREAT => 01000,
    IPC_EXCL  => 02000,
    PAGES     => 16,
    PAGE      => 4096,
    CHUNK     => 256,    # pages that are read or written at once
};

my ($how, $name, $role, $number, $size) = @ARGV;
die "usage: player.pl native NAME ROLE NUMBER SIZE\n" if @ARGV != 5 || $how ne 'native';

my $make = $role eq 'lead';
my $id = shmget(hex $name, $make ? $size : 0, $make ? IPC_CREAT | IPC_EXCL | 0644 : 0);
defined $id or die "shmget: $!\n";

sub load
{
    my ($at) = @_;
    my $bytes;

    shmread($id, $bytes, $at, 4) or die "shmread: $!\n";
    return unpack 'L', $bytes;
}

sub store
{
    my ($at, $value) = @_;

    shmwrite($id, pack('L', $value), $at, 4) or die "shmwrite: $!\n";
}

# There is no sched_yield here: a nap has to do.
sub await
{
    my ($at, $value) = @_;

    while (load($at) != $value) {
        select undef, undef, undef, 0.00001;
    }
}

sub place
{
    my ($i) = @_;

    return int($i % PAGES * ($size / PAGE - 1) / (PAGES - 1)) * PAGE;
}

sub lead
{
    $| = 1;
    print "ready\n";
    for my $i (1 .. $number) {
        store(place($i), $i);
        await(place($i) + 4, $i);
    }
}

sub follow
{
    for my $i (1 .. $number) {
        await(place($i), $i);
        store(place($i) + 4, $i);
    }
}

# Calls back with the place and the bytes of each chunk of the pattern.
sub pattern
{
    my ($act) = @_;
    my $rest = pack 'C*', map { ($_ * 7 + $number) & 0xff } 8 .. PAGE - 1;

    for (my $first = 0; $first < $size / PAGE; $first += CHUNK) {
        my $last = $first + CHUNK - 1;

        $last = $size / PAGE - 1 if $last >= $size / PAGE;
        $act->($first * PAGE, join '', map { pack('Q', $_) . $rest } $first .. $last);
    }
}

sub fill
{
    pattern(sub {
        my ($at, $bytes) = @_;

        shmwrite($id, $bytes, $at, length $bytes) or die "shmwrite: $!\n";
    });
}

sub check
{
    pattern(sub {
        my ($at, $expected) = @_;
        my $bytes;

        shmread($id, $bytes, $at, length $expected) or die "shmread: $!\n";
        $bytes eq $expected or die "the bytes at $at differ\n";
    });
}

my %roles = (lead => \&lead, follow => \&follow, fill => \&fill, check => \&check);
$roles{$role}->();
