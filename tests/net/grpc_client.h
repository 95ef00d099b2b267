/* A blocking gRPC client for tests, by nghttp2: it decides what stands in which DATA frame, and
 * sends frames by hand where a decent client would not. Every wait fails the test after
 * RIG_WAIT_MS. */
#ifndef TESTS_NET_GRPC_CLIENT_H
#define TESTS_NET_GRPC_CLIENT_H

#include <nghttp2/nghttp2.h>

#include "rig.h"

enum { CALLS_MAX = 1024, PIECES_MAX = 64 };

struct call {
	int32_t id;
	struct buf pieces[PIECES_MAX]; /* a DATA frame each */
	size_t pieces_n, piece_at, byte_at;
	bool end;		 /* after the pieces */
	int http_status, status; /* 0: none yet; -1: none yet */
	char message[512], accepts[64];
	struct buf body;
	bool closed;
	uint32_t code; /* it was closed with */
};

struct grpc_client {
	int fd;
	void *ssl; /* SSL; NULL: h2c */
	nghttp2_session *session;
	struct call *calls[CALLS_MAX];
	size_t calls_n;
	bool ended;	   /* the server has closed */
	bool cut;	   /* by a reset, which may eat what it said */
	bool deaf;	   /* it takes no more */
	bool by_hand;	   /* its session is out of the game: frames are only looked at */
	struct buf frames; /* the last of them may not have come whole */
	bool goaway;
	uint32_t goaway_code;
	unsigned max_streams;  /* as the server announced */
	size_t window_updates; /* of streams */
	size_t pongs;
	bool answers_pings;
};

enum client_way { IN_CLEAR, IN_TLS };
/* Connects; with the client's preface and SETTINGS queued. */
struct grpc_client *grpc_client_new(unsigned port, enum client_way way);
void grpc_client_free(struct grpc_client *c); /* closes the socket, whatever runs */
/* "name", "value", ... NULL are headers besides the usual ones, or instead of them; a value of NULL
 * leaves a usual one out: end with two NULLs then. */
struct call *call_new(struct grpc_client *c, const char *path, ...);
void call_piece(struct grpc_client *c, struct call *k, const void *p, size_t n); /* a DATA frame */
void call_message(struct grpc_client *c, struct call *k, const char *text);	 /* whole, in one */
void call_end(struct grpc_client *c, struct call *k);
void call_reset(struct grpc_client *c, struct call *k, uint32_t code);
void client_flush(struct grpc_client *c);
bool client_turn(struct grpc_client *c); /* waits for bytes; false: the server has closed */
void call_wait(struct grpc_client *c, struct call *k); /* until it is closed */
void client_wait_end(struct grpc_client *c);	       /* until the server has closed */
void client_wait_settings(struct grpc_client *c);
/* A frame by hand, past nghttp2. */
void client_frame(struct grpc_client *c, unsigned type, unsigned flags, int32_t id, const void *p,
		  size_t n);
void client_bytes(struct grpc_client *c, const void *p, size_t n); /* likewise, anything */

/* A frame of HTTP/2, or a gRPC message with its prefix, appended. */
void put_frame(struct buf *b, unsigned type, unsigned flags, int32_t id, const void *p, size_t n);
void put_grpc_message(struct buf *b, int compressed, const void *p, size_t n);

/* `name`.pem and .key in `dir`, self-signed, for localhost. */
void make_certificate(const char *dir, const char *name);

#endif
