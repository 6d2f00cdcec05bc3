"""A tour of the logger, as Stable Baselines 2.10 has it: ``python -m stable_baselines.logger``"""
import os
import tempfile

from stable_baselines import logger

if __name__ == '__main__':
    logger.info("hi")
    logger.debug("shouldn't appear")
    logger.set_level(logger.DEBUG)
    logger.debug("should appear")
    logger.configure(folder=os.path.join(tempfile.gettempdir(), 'testlogging'))
    for row in ({'a': 3, 'b': 2.5}, {'a': 5.5, 'b': -2.5}):
        logger.logkvs(row)
        logger.dumpkvs()
    logger.info("^^^ should see a = 5.5")
    for number in (-22.5, -44.4):
        logger.logkv_mean('b', number)
    logger.logkv('a', 5.5)
    logger.dumpkvs()
    with logger.ScopedConfigure():
        logger.info("^^^ should see b = 33.3")
    logger.reset()
    logger.logkv('a', "longasslongasslongasslongasslongasslongassvalue")
    logger.dumpkvs()
    logger.warn("hey")
    logger.error("oh")
