/*
 * outbox/rate.c
 *	  How fast a channel is drained: a bucket of tokens.
 *
 * A channel with a rate fills its bucket by that many tokens a second of the
 * real clock, up to one second's worth (and at least one); every message that
 * is handed out, also a second time, takes one.  What is left in the bucket
 * stands in the newest claim of the channel, whose time tells how long it has
 * been filling since: the channel's lock is held, nothing else is written, and
 * a restart forgets nothing.  A crash that forgets the last claims gives back
 * the tokens of messages that are then offered again.
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "outbox/internal.h"

double
jo_channel_rate(Datum rate)
{
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											  rate));
}

double
jo_rate_tokens(double rate, const JoClaim *newest, TimestampTz now)
{
	double		burst = Max(rate, 1.0);
	double		elapsed;

	if (newest == NULL || !newest->has_tokens)
		return burst;
	elapsed = Max(now - newest->recorded_at, 0) / (double) USECS_PER_SEC;
	return Min(newest->tokens + elapsed * rate, burst);
}

TimestampTz
jo_rate_next(double rate, const JoClaim *newest, TimestampTz now)
{
	double		tokens = jo_rate_tokens(rate, newest, now);

	if (tokens >= 1.0)
		return now;
	/* one more, so that rounding leaves nothing missing then */
	return now + (TimestampTz) ceil((1.0 - tokens) / rate * USECS_PER_SEC) + 1;
}
