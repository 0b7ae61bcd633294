/* socket.h - all runs live, over a WebSocket: GET /api/events. See watch.h for what is sent.
 *
 * The request passes the same checks as every other one; then the server library speaks the
 * protocol (pings too) on the connection's own thread, and a thread beside it sends the events.
 * What the client sends is not looked at. A frame {"type":"end","data":{"reason"}} comes before
 * the close. */
#ifndef CONFAB_SERVER_SOCKET_H
#define CONFAB_SERVER_SOCKET_H

struct cf_http_exchange;
struct cf_server;
struct cf_server_options;
struct cf_sockets;
struct mg_context;

#define CF_SOCKET_STATUS 101    /* the exchange's status once the library is to go on with it */

/* Takes WebSockets at the path in that context. options: borrowed. */
struct cf_sockets *cf_sockets_new(struct mg_context *context,
                                  const struct cf_server_options *options);

/* After cf_events_end, while the context goes on: waits, for up to wait_s, until all were told. */
void cf_sockets_wait(struct cf_sockets *sockets, int wait_s);

/* After cf_events_end and the end of the context. NULL is fine. */
void cf_sockets_free(struct cf_sockets *sockets);

/* GET /api/events: sets the status to CF_SOCKET_STATUS, or refuses. */
void cf_socket_upgrade(struct cf_http_exchange *exchange, struct cf_server *server);
#endif
