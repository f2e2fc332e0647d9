/*
 * permission/halt.h
 *	  What is halted, between the files about it.
 */
#ifndef JO_PERMISSION_HALT_H
#define JO_PERMISSION_HALT_H

#include "datatype/timestamp.h"

typedef enum JoHaltScope
{
	JO_HALT_GLOBAL,
	JO_HALT_CHANNEL,
	JO_HALT_JOURNEY,
	JO_HALT_TOPIC
} JoHaltScope;

/* A halt in force. */
typedef struct JoHalt
{
	JoHaltScope scope;
	const char *name;			/* NULL: of scope global */
	const char *reason;			/* or NULL */
	int64		seq;
	TimestampTz at;				/* engine clock */
} JoHalt;

/* The halts can be asked for between begin and end.  False: there is none. */
extern bool jo_halts_begin(void);
extern void jo_halts_end(void);

/* The halt of that scope and name, or NULL; valid until the end. */
extern const JoHalt *jo_halt_find(JoHaltScope scope, const char *name);

/* "global", "channel email": how rules are called in decisions; in
 * CurrentMemoryContext. */
extern char *jo_halt_rule(const JoHalt *halt);

extern void jo_halt_init(void);

#endif							/* JO_PERMISSION_HALT_H */
