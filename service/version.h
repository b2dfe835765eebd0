/* version.h - the program's version, in one place. */
#pragma once

#define VRFYD_VERSION "0.1.0"
