# A PSGI application in Perl, for Starman.
# https://metacpan.org/pod/Starman#SIGNALS
use strict;
use warnings;
use Time::HiRes ();

# A signal ends perl's sleep; what is left of it is slept again.
sub after {
    my $end = Time::HiRes::time() + shift;
    while ((my $left = $end - Time::HiRes::time()) > 0) { Time::HiRes::sleep($left) }
}

my $text = ['Content-Type' => 'text/plain'];

sub {
    my $env = shift;
    my ($ms) = ($env->{QUERY_STRING} // '') =~ /\bms=(\d+)/;
    my $duration = ($ms // 1500) / 1000;
    my $path = $env->{PATH_INFO};
    if ($path eq '/slow') {
        after($duration);
        return [200, $text, ["slow\n"]];
    }
    if ($path eq '/stream') {
        return sub {
            my $out = shift->([200, $text]);
            for (1 .. $duration / 0.05) {
                $out->write("line\n");
                after(0.05);
            }
            $out->write("end\n");
            $out->close;
        };
    }
    if ($path eq '/upload') {
        my $n = 0;
        while (my $read = $env->{'psgi.input'}->read(my $chunk, 65536)) { $n += $read }
        return [200, $text, ["$n\n"]];
    }
    return [200, $text, ["hello\n"]];
};
