/*
 * capture/watch_columns.h
 *	  Columns of table watch, in the order of state.sql.
 */
#ifndef JO_WATCH_COLUMNS_H
#define JO_WATCH_COLUMNS_H

enum
{
	WATCH_ID,
	WATCH_RELATION,
	WATCH_EVENT,
	WATCH_CUSTOMER_SQL,
	WATCH_OPERATIONS,
	WATCH_CONDITION_SQL,
	WATCH_PAYLOAD_SQL,
	WATCH_COLUMN_NAMES,
	WATCH_OWNER,
	WATCH_MODE,
	WATCH_CHANGED_AT,
	WATCH_COLUMNS
};

#endif							/* JO_WATCH_COLUMNS_H */
