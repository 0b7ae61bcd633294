#include "server/connection.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <civetweb.h>

#include "base/mem.h"
#include "confab/clock.h"

#define MORE_MS 20    /* for what is on its way */

struct cf_connection *cf_connection_new(const struct cf_clock *clock)
{
    struct cf_connection *connection = cf_calloc(1, sizeof *connection);
    connection->idle_since_ms = cf_now_ms(clock);
    return connection;
}

void cf_connection_free(struct cf_connection *connection)
{
    free(connection);
}

struct cf_connection *cf_connection_of(const struct mg_connection *connection)
{
    return mg_get_user_connection_data(connection);
}

/* --- its socket --- */

static bool is_at(int fd, const struct sockaddr_in *other_end)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    return getpeername(fd, (struct sockaddr *)&at, &len) == 0 && at.sin_family == AF_INET &&
           at.sin_port == other_end->sin_port &&
           at.sin_addr.s_addr == other_end->sin_addr.s_addr;
}

/* One that we have made ourselves to the same address is none: a port that a client came from is
 * not one that somebody listens at. */
static int find_socket(const struct sockaddr_in *other_end)
{
    int found = -1;
    struct dirent *entry;
    DIR *open_files = opendir("/proc/self/fd");
    if (open_files == NULL)
        return -1;
    while (found < 0 && (entry = readdir(open_files)) != NULL) {
        char *end;
        long fd = strtol(entry->d_name, &end, 10);
        if (*end == '\0' && is_at((int)fd, other_end))
            found = (int)fd;
    }
    closedir(open_files);
    return found;
}

int cf_connection_fd(struct mg_connection *connection)
{
    struct cf_connection *own = cf_connection_of(connection);
    const struct mg_request_info *info = mg_get_request_info(connection);
    struct sockaddr_in other_end = { .sin_family = AF_INET,
                                     .sin_port = htons((uint16_t)info->remote_port) };
    if (own->has_fd)
        return own->fd;
    own->has_fd = true;
    own->fd = inet_pton(AF_INET, info->remote_addr, &other_end.sin_addr) == 1
                  ? find_socket(&other_end) : -1;
    return own->fd;
}

bool cf_connection_is_gone(struct mg_connection *connection)
{
    char byte;
    int fd = cf_connection_fd(connection);
    return fd >= 0 && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* --- what could not be read --- */

/* The library reads as much as it takes at once: what is left was too much. */
static bool has_more(struct mg_connection *connection)
{
    char byte;
    struct pollfd socket = { .fd = cf_connection_fd(connection), .events = POLLIN };
    return socket.fd >= 0 && poll(&socket, 1, MORE_MS) == 1 &&
           recv(socket.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

int cf_connection_refusal(struct mg_connection *connection, int64_t now_ms, int64_t head_ms)
{
    if (now_ms - cf_connection_of(connection)->idle_since_ms >= head_ms)
        return 408;
    return has_more(connection) ? 431 : 400;
}
