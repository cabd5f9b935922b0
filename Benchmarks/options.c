// mqload's command line. Called once, by main.
#include "options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const mode_names[] = {"pairs", "fanout", "fanin", "queue", "drain", "idle"};

Options options = {.host = "127.0.0.1", .port = 1883, .count = 10, .payload = 64, .window = 64, .seconds = 5};

void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("mqload: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

void read_options(int argc, char **argv) {
    for (int o; (o = getopt(argc, argv, "h:p:s:m:n:z:q:w:r:d:c:P:Wkag")) > 0;) switch (o) {
        case 'h': options.host = optarg; break;
        case 'p': options.port = atoi(optarg); break;
        case 's': options.subscriber_port = atoi(optarg); break;
        case 'm':
            for (options.mode = PAIRS; strcmp(optarg, mode_names[options.mode]); options.mode++)
                if (options.mode == IDLE)
                    fail("-m %s: the modes are pairs, fanout, fanin, queue, drain and idle", optarg);
            break;
        case 'n': options.count = atoi(optarg); break;
        case 'z': options.payload = atoi(optarg) < 16 ? 16 : atoi(optarg); break;
        case 'q': options.qos = atoi(optarg); break;
        case 'w': options.window = strtoull(optarg, NULL, 10); break;
        case 'r': options.rate = strtoull(optarg, NULL, 10); break;
        case 'd': options.seconds = atof(optarg); break;
        case 'c': options.total = strtoull(optarg, NULL, 10); break;
        case 'P': options.broker = atoi(optarg); break;
        case 'W': options.websocket = true; break;
        case 'k': options.persistent = true; break;
        case 'a': options.acknowledged = true; break;
        case 'g': options.reconnect = true; break;
        default: exit(2);
        }
    if (options.mode == QUEUE) options.acknowledged = true;
    if (options.mode == QUEUE || options.mode == DRAIN) options.persistent = true;
    else if (options.total) fail("-c goes with -m queue and -m drain");
    if (options.count < 1 || options.qos < 0 || options.qos > 2) fail("-n is at least 1, -q is 0, 1 or 2");
    if (options.acknowledged && (!options.qos || options.window > 65535)) fail("-a needs QoS 1 or 2, and -w < 65536");
}
