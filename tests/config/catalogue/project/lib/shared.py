from pyspark.sql import DataFrame


def halved(stock: DataFrame, params: dict[str, object]) -> DataFrame:
    return stock.selectExpr("product", f"pieces * {params['share']} AS pieces")
