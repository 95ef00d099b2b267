#include "node/hangup.h"

#include <signal.h>

void hangup_watch(uv_loop_t *loop, uv_signal_t *s, uv_signal_cb on_hangup)
{
	struct sigaction now;

	uv_signal_init(loop, s);
	if (sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
		return;
	uv_signal_start(s, on_hangup, SIGHUP);
}

void hangup_leave_to_parent(void)
{
	signal(SIGHUP, SIG_IGN);
}
