<?php
// Each request is a run of this file; php-fpm knows of no other shutdown than
// its own.

function say(string $text): void
{
    echo $text;
    flush();
}

while (ob_get_level() > 0) { // php.ini's output_buffering
    ob_end_clean();
}

$last = (int) ($_GET['ms'] ?? 1500) / 1000;
switch (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
    case '/':
        echo "hello\n";
        break;
    case '/slow':
        // In steps: usleep() ends early when php-fpm signals its workers.
        for ($end = microtime(true) + $last; microtime(true) < $end; usleep(10_000)) {
        }
        echo "slow\n";
        break;
    case '/stream':
        for ($end = microtime(true) + $last; microtime(true) < $end; usleep(50_000)) {
            say("line\n");
        }
        say("end\n");
        break;
    case '/upload':
        echo strlen(file_get_contents('php://input')), "\n";
        break;
    case '/events':
        header('Content-Type: text/event-stream');
        for ($n = 1; !connection_aborted(); $n++, usleep(50_000)) {
            say("id: $n\ndata: tick\n\n");
        }
        break;
    default:
        http_response_code(404);
}
