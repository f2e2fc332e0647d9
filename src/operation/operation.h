/*
 * operation/operation.h
 *	  What the module calls.
 */
#ifndef JO_OPERATION_H
#define JO_OPERATION_H

extern void jo_operation_init(void);

#endif							/* JO_OPERATION_H */
