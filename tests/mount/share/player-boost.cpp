// SPDX-License-Identifier: MIT
// A player in C++ with Boost.Interprocess: player-boost HOW NAME lead|follow EXCHANGES,
// with the only HOW that it has, native.
#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/shared_memory_object.hpp>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

#include "exchange.h"

namespace bi = boost::interprocess;

static bi::shared_memory_object start(const char *name, bool lead)
{
	if (!lead)
		return bi::shared_memory_object(bi::open_only, name, bi::read_write);

	bi::shared_memory_object object(bi::create_only, name, bi::read_write);
	object.truncate(EXCHANGE_SIZE);
	return object;
}

int main(int argc, char *argv[])
{
	if (argc != 5)
		return 2;
	const bool lead = std::string(argv[3]) == "lead";
	const auto count = static_cast<std::uint32_t>(std::strtoul(argv[4], nullptr, 10));
	const bi::shared_memory_object object = start(argv[2], lead);
	const bi::mapped_region region(object, bi::read_write);
	const exchange e = { static_cast<std::uint32_t *>(region.get_address()), -1 };

	if (!lead) {
		exchange_follow(&e, 1, count);
		return 0;
	}
	std::cout << "ready" << std::endl;
	exchange_lead(&e, 1, count);
	return 0;
}
