"""Training run for the class-data-sharing archive: uses the same features of Spark as the jobs, on small data.

Run as a script by `local_aws.spark.archive`, in a lake with the bucket `training`. The JVM writes the archive when it
exits, at the end of its standard input.
"""

import contextlib

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812 - the usual name

spark = SparkSession.builder.appName("training").getOrCreate()
rows = spark.range(1000).select(
    "id",
    (F.col("id") % 7).cast("int").alias("key"),
    F.lit("x").alias("text"),
    F.current_timestamp().cast("timestamp_ntz").alias("at"),
    (F.col("id") / 3).cast("decimal(10,2)").alias("money"),
)
rows.write.partitionBy("key").mode("append").parquet("s3://training/rows/batch_id=1")
back = spark.read.parquet("s3://training/rows")
newest = Window.partitionBy("key").orderBy(F.col("id").desc())
ranked = back.withColumn("rank", F.row_number().over(newest)).where("rank <= 3")
sums = back.groupBy("key").agg(F.count("*").alias("n"), F.sum("money").alias("sum"), F.max("at").alias("last"))
joined = ranked.join(F.broadcast(sums), "key", "left").unionByName(ranked.join(sums.hint("merge"), "key", "inner"))
joined.withColumn("day", F.to_date("at")).join(rows.select("id"), "id", "left_anti").write.parquet(
    "s3://training/joined"
)
spark.read.schema(back.schema).parquet("s3a://training/rows/batch_id=1").dropDuplicates(["id"]).orderBy("id").take(3)
spark.sparkContext.parallelize(range(4), 2).mapPartitions(lambda part: [sum(part)]).collect()
spark.createDataFrame([(1, "a")], "id int, name string").join(back, "id", "left_semi").collect()
reader = spark.read.format("jdbc").option("driver", "org.postgresql.Driver").option("dbtable", "none")
with contextlib.suppress(Py4JJavaError):  # the connection is refused, but the driver's classes are loaded
    reader.option("url", "jdbc:postgresql://127.0.0.1:1/none").load()
gateway = spark.sparkContext._gateway  # noqa: SLF001 - the only way to the JVM's standard input
spark.stop()
gateway.proc.stdin.close()
gateway.shutdown()
gateway.proc.wait()
