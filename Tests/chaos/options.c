// steady's command line. Called once, by main.
#include "options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Options options = {.connections = 10000, .pairs = 500, .rate = 2000, .visits = 20, .keep_alive = 30, .drain = 10};

void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("steady: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static void add_endpoint(const char *port, bool websocket, int version) {
    if (options.endpoint_count == MOST_ENDPOINTS) fail("more than %d ways to connect", MOST_ENDPOINTS);
    options.endpoints[options.endpoint_count++] =
        (Endpoint){.port = (uint16_t)atoi(port), .websocket = websocket, .version = version};
}

void read_options(int argc, char **argv) {
    for (int o; (o = getopt(argc, argv, "m:w:j:n:p:r:v:k:d:Ro:")) > 0;) switch (o) {
        case 'm':
        case 'w':
            add_endpoint(optarg, o == 'w', 4);
            add_endpoint(optarg, o == 'w', 5);
            break;
        case 'j': add_endpoint(optarg, true, JSON); break;
        case 'n': options.connections = atoi(optarg); break;
        case 'p': options.pairs = atoi(optarg); break;
        case 'r': options.rate = atof(optarg); break;
        case 'v': options.visits = atof(optarg); break;
        case 'k': options.keep_alive = atoi(optarg); break;
        case 'd': options.drain = atof(optarg); break;
        case 'R': options.reconnect = true; break;
        case 'o': options.report = optarg; break;
        default: exit(2);
        }
    if (!options.endpoint_count) fail("nothing to connect to: give -m, -w or -j");
    if (!options.report) fail("-o FILE is needed");
    if (options.pairs < 1 || options.connections < 2 * options.pairs) fail("-n is at least twice -p, -p at least 1");
    if (options.rate <= 0 || options.keep_alive < 2) fail("-r is above 0, -k at least 2");
}
